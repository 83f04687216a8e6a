#include "network/address.h"

#include "base/strings.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace davit::network {
namespace {

/// The bits behind a prefix.
AddressBits host_mask(const Cidr& cidr) {
    const int behind = cidr.address.bits() - cidr.prefix;
    if (behind >= 128) return ~AddressBits{0};
    return (AddressBits{1} << static_cast<unsigned>(behind)) - 1;
}

Error invalid(std::string_view text, std::string_view why) {
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not {}", text, why));
}

}  // namespace

std::string Ip::bytes() const {
    const std::size_t size = v6 ? 16 : 4;
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[size - 1 - i] = static_cast<char>(value >> (8U * static_cast<unsigned>(i)) & 0xffU);
    return text;
}

Ip Ip::from_bytes(const void* bytes, std::size_t size) {
    Ip ip;
    ip.v6 = size == 16;
    const auto* byte = static_cast<const unsigned char*>(bytes);
    for (std::size_t i = 0; i < size; ++i) ip.value = ip.value << 8U | byte[i];
    return ip;
}

Ip Cidr::first() const { return {address.v6, address.value & ~host_mask(*this)}; }
Ip Cidr::last() const { return {address.v6, address.value | host_mask(*this)}; }

Result<Ip> parse_ipv4(std::string_view text) {
    const std::vector<std::string> parts = split(text, '.');
    std::uint32_t value = 0;
    if (parts.size() != 4) return invalid(text, "an IPv4 address");
    for (const std::string& part : parts) {
        const auto number = parse_integer(part);
        // "010" reads as 8 to some programs and as 10 to others: refuse what is ambiguous.
        if (!number || *number < 0 || *number > 255 || part != fmt::format("{}", *number))
            return invalid(text, "an IPv4 address");
        value = value << 8U | static_cast<std::uint32_t>(*number);
    }
    return Ip{false, value};
}

Result<Ip> parse_ip(std::string_view text) {
    if (text.find(':') == std::string_view::npos) {
        const Result<Ip> v4 = parse_ipv4(text);
        if (!v4) return invalid(text, "an IP address");
        return *v4;
    }
    in6_addr v6{};
    if (::inet_pton(AF_INET6, std::string(text).c_str(), &v6) != 1)
        return invalid(text, "an IP address");
    return Ip::from_bytes(&v6, sizeof v6);
}

Result<Cidr> parse_cidr(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return invalid(text, "a network such as 10.1.0.0/16");
    const Ip address = TRY(parse_ip(text.substr(0, slash)));
    const auto prefix = parse_integer(text.substr(slash + 1));
    if (!prefix || *prefix < 0 || *prefix > address.bits())
        return invalid(text, fmt::format("a network: its prefix is not 0..{}", address.bits()));
    return Cidr{address, static_cast<int>(*prefix)};
}

std::string to_string(const Ip& ip) {
    char text[INET6_ADDRSTRLEN] = {};
    const std::string bytes = ip.bytes();
    ::inet_ntop(ip.v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text);
    return text;
}

std::string to_string(const Cidr& cidr) {
    return fmt::format("{}/{}", to_string(cidr.address), cidr.prefix);
}

}  // namespace davit::network
