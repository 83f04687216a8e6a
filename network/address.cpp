#include "network/address.h"

#include "base/strings.h"

#include <fmt/format.h>

namespace davit::network {
namespace {

std::uint32_t mask_of(int prefix) {
    return prefix == 0 ? 0 : ~std::uint32_t{0} << static_cast<unsigned>(32 - prefix);
}

Error invalid(std::string_view text, std::string_view why) {
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not {}", text, why));
}

}  // namespace

Ipv4 Cidr4::first() const { return {address.value & mask_of(prefix)}; }
Ipv4 Cidr4::last() const { return {address.value | ~mask_of(prefix)}; }

Result<Ipv4> parse_ipv4(std::string_view text) {
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
    return Ipv4{value};
}

Result<Cidr4> parse_cidr4(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return invalid(text, "a network such as 10.1.0.0/16");
    const Ipv4 address = TRY(parse_ipv4(text.substr(0, slash)));
    const auto prefix = parse_integer(text.substr(slash + 1));
    if (!prefix || *prefix < 0 || *prefix > 32)
        return invalid(text, "a network: its prefix is not 0..32");
    return Cidr4{address, static_cast<int>(*prefix)};
}

std::string to_string(Ipv4 ip) {
    return fmt::format("{}.{}.{}.{}", ip.value >> 24U, ip.value >> 16U & 255U,
                       ip.value >> 8U & 255U, ip.value & 255U);
}

std::string to_string(const Cidr4& cidr) {
    return fmt::format("{}/{}", to_string(cidr.address), cidr.prefix);
}

}  // namespace davit::network
