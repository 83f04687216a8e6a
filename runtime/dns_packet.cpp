#include "runtime/dns_packet.h"

#include "base/strings.h"

#include <algorithm>
#include <cctype>

namespace davit::runtime::dns {
namespace {

constexpr std::size_t kHeader = 12;
constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestLabel = 63;
constexpr std::uint16_t kTypeOpt = 41;
constexpr std::uint32_t kTtlSeconds = 5;  // containers move: nobody may remember for long
constexpr std::size_t kOurPayload = 4096;

// Bits of the second and third pair of bytes. @source RFC 1035 §4.1.1
constexpr unsigned kResponse = 0x8000;
constexpr unsigned kOpcode = 0x7800;
constexpr unsigned kAuthoritative = 0x0400;
constexpr unsigned kTruncated = 0x0200;
constexpr unsigned kRecursionDesired = 0x0100;
constexpr unsigned kRecursionAvailable = 0x0080;

std::uint16_t number_at(std::string_view packet, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(packet[at]) << 8U |
                                      static_cast<unsigned char>(packet[at + 1]));
}

void put(std::string& packet, unsigned number) {
    packet.push_back(static_cast<char>(number >> 8U & 0xffU));
    packet.push_back(static_cast<char>(number & 0xffU));
}

void set(std::string& packet, std::size_t at, unsigned number) {
    packet[at] = static_cast<char>(number >> 8U & 0xffU);
    packet[at + 1] = static_cast<char>(number & 0xffU);
}

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// Reads a name without pointers at `at` and moves behind it. A dot or odd byte within a label
/// stays what it is: such a name is nobody's here, and is forwarded as its bytes.
bool read_name(std::string_view packet, std::size_t& at, std::string& name) {
    const std::size_t start = at;
    for (;;) {
        if (at >= packet.size()) return false;
        const auto length = static_cast<unsigned char>(packet[at]);
        if (length > kLongestLabel) return false;
        ++at;
        if (at + length - start > kLongestName) return false;
        if (length == 0) return true;
        if (at + length > packet.size()) return false;
        if (!name.empty()) name.push_back('.');
        for (std::size_t i = 0; i < length; ++i) name.push_back(lower(packet[at + i]));
        at += length;
    }
}

/// Moves behind a name that may end in a pointer.
bool skip_name(std::string_view packet, std::size_t& at) {
    while (at < packet.size()) {
        const auto length = static_cast<unsigned char>(packet[at]);
        if (length >= 0xc0) {
            at += 2;
            return at <= packet.size();
        }
        if (length > kLongestLabel) return false;
        at += 1U + length;
        if (length == 0) return at <= packet.size();
    }
    return false;
}

/// Looks for the OPT record among the `count` records at `at`. False where the packet is broken.
bool read_edns(std::string_view packet, std::size_t at, unsigned count, Query& query) {
    for (unsigned i = 0; i < count; ++i) {
        if (!skip_name(packet, at) || at + 10 > packet.size()) return false;
        const std::uint16_t type = number_at(packet, at);
        const std::uint16_t klass = number_at(packet, at + 2);
        const std::uint16_t length = number_at(packet, at + 8);
        at += 10U + length;
        if (at > packet.size()) return false;
        if (type != kTypeOpt) continue;
        query.edns = true;
        query.payload = std::max<std::size_t>(512, klass);
    }
    return true;
}

std::string encode(const Record& record) {
    std::string bytes;
    put(bytes, 0xc000U | kHeader);  // the question's name
    put(bytes, record.type);
    put(bytes, 1);
    put(bytes, kTtlSeconds >> 16U);
    put(bytes, kTtlSeconds & 0xffffU);
    const std::string data = record.type == kTypePtr ? wire_name(record.data) : record.data;
    put(bytes, static_cast<unsigned>(data.size()));
    return bytes + data;
}

std::string encode_opt() {
    std::string bytes(1, '\0');
    put(bytes, kTypeOpt);
    put(bytes, kOurPayload);
    put(bytes, 0);
    put(bytes, 0);
    put(bytes, 0);
    return bytes;
}

int hex_digit(std::string_view label) {
    if (label.size() != 1) return -1;
    const std::size_t at = std::string_view("0123456789abcdef").find(label.front());
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

Parsed parse_query(std::string_view packet) {
    if (packet.size() < kHeader) return {};
    const unsigned flags = number_at(packet, 2);
    if ((flags & kResponse) != 0) return {};  // an answer to an answer would go on for ever
    if ((flags & kOpcode) != 0) return {{}, Rcode::NotImp};
    if (number_at(packet, 4) != 1 || number_at(packet, 6) != 0) return {{}, Rcode::FormErr};
    Query query;
    query.id = number_at(packet, 0);
    query.recursion_desired = (flags & kRecursionDesired) != 0;
    std::size_t at = kHeader;
    if (!read_name(packet, at, query.name) || at + 4 > packet.size()) return {{}, Rcode::FormErr};
    query.type = number_at(packet, at);
    query.klass = number_at(packet, at + 2);
    at += 4;
    query.question = std::string(packet.substr(kHeader, at - kHeader));
    const unsigned others = number_at(packet, 8) + unsigned{number_at(packet, 10)};
    if (!read_edns(packet, at, others, query)) return {{}, Rcode::FormErr};
    return {std::move(query), Rcode::NoError};
}

std::string make_answer(const Query& query, Rcode code, const std::vector<Record>& records,
                        std::size_t limit) {
    std::string packet;
    put(packet, query.id);
    put(packet, kResponse | kAuthoritative | kRecursionAvailable |
                    (query.recursion_desired ? kRecursionDesired : 0U) |
                    static_cast<unsigned>(code));
    put(packet, 1);
    put(packet, 0);
    put(packet, 0);
    put(packet, query.edns ? 1 : 0);
    packet += query.question;
    const std::string opt = query.edns ? encode_opt() : std::string();
    unsigned count = 0;
    for (const Record& record : records) {
        const std::string bytes = encode(record);
        if (packet.size() + bytes.size() + opt.size() > limit) {
            set(packet, 2, number_at(packet, 2) | kTruncated);
            break;
        }
        packet += bytes;
        ++count;
    }
    set(packet, 6, count);
    return packet + opt;
}

std::string make_refusal(std::string_view packet, Rcode code) {
    if (packet.size() < kHeader) return {};
    std::string answer(packet.substr(0, 2));
    put(answer, kResponse | (number_at(packet, 2) & (kOpcode | kRecursionDesired)) |
                    static_cast<unsigned>(code));
    answer.append(8, '\0');
    return answer;
}

bool answers(std::string_view packet, const Query& query, std::uint16_t id) {
    if (packet.size() < kHeader + query.question.size() || number_at(packet, 0) != id ||
        (number_at(packet, 2) & kResponse) == 0 || number_at(packet, 4) != 1)
        return false;
    const std::string_view question = packet.substr(kHeader, query.question.size());
    return std::equal(question.begin(), question.end(), query.question.begin(),
                      [](char one, char other) { return lower(one) == lower(other); });
}

Rcode code_of(std::string_view packet) {
    if (packet.size() < kHeader) return Rcode::ServFail;
    return static_cast<Rcode>(number_at(packet, 2) & 0xfU);
}

bool is_truncated(std::string_view packet) {
    return packet.size() >= kHeader && (number_at(packet, 2) & kTruncated) != 0;
}

std::string with_id(std::string packet, std::uint16_t id) {
    set(packet, 0, id);
    return packet;
}

std::string cut(std::string packet, const Query& query, std::size_t limit) {
    if (packet.size() <= limit || packet.size() < kHeader + query.question.size()) return packet;
    packet.resize(kHeader + query.question.size());
    set(packet, 2, number_at(packet, 2) | kTruncated);
    for (const std::size_t count : {6U, 8U, 10U}) set(packet, count, 0);
    return packet;
}

std::string wire_name(std::string_view name) {
    std::string wire;
    for (const std::string& label : split(name, '.')) {
        if (label.empty() || label.size() > kLongestLabel) return {};
        wire.push_back(static_cast<char>(label.size()));
        wire += label;
    }
    wire.push_back('\0');
    return wire.size() <= kLongestName ? wire : std::string();
}

std::string address_of_reverse_name(std::string_view name) {
    std::vector<std::string> labels = split(name, '.');
    if (labels.size() < 2 || labels.back() != "arpa") return {};
    const bool v6 = labels[labels.size() - 2] == "ip6";
    if (!v6 && labels[labels.size() - 2] != "in-addr") return {};
    labels.resize(labels.size() - 2);
    std::reverse(labels.begin(), labels.end());
    std::string bytes;
    if (!v6) {
        if (labels.size() != 4) return {};
        for (const std::string& label : labels) {
            const auto number = parse_integer(label);
            if (!number || *number < 0 || *number > 255) return {};
            bytes.push_back(static_cast<char>(*number));
        }
        return bytes;
    }
    if (labels.size() != 32) return {};
    for (std::size_t i = 0; i < labels.size(); i += 2) {
        const int high = hex_digit(labels[i]);
        const int low = hex_digit(labels[i + 1]);
        if (high < 0 || low < 0) return {};
        bytes.push_back(static_cast<char>(high * 16 + low));
    }
    return bytes;
}

}  // namespace davit::runtime::dns
