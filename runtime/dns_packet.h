#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Packets of DNS. Pure: bytes in, bytes out, and no byte of a packet is trusted.
/// @source RFC 1035, RFC 6891 (EDNS)
namespace davit::runtime::dns {

inline constexpr std::uint16_t kTypeA = 1;
inline constexpr std::uint16_t kTypePtr = 12;
inline constexpr std::uint16_t kTypeAaaa = 28;
inline constexpr std::uint16_t kTypeAny = 255;

enum class Rcode { NoError = 0, FormErr = 1, ServFail = 2, NxDomain = 3, NotImp = 4, Refused = 5 };

/// One question, as a client sends it.
struct Query {
    std::uint16_t id = 0;
    bool recursion_desired = false;
    std::string name = {};  ///< Lower case, labels joined by dots, none at the end.
    std::uint16_t type = 0;
    std::uint16_t klass = 1;
    std::string question = {};  ///< The question's bytes as they came: an answer repeats them.
    bool edns = false;          ///< The client speaks EDNS.
    std::size_t payload = 512;  ///< What it takes in a datagram; 512 to 65535.
};

struct Parsed {
    std::optional<Query> query = {};
    Rcode problem = Rcode::NoError;  ///< Why there is none; NoError: not to be answered at all.
};
/// Reads a client's packet.
Parsed parse_query(std::string_view packet);

/// An answer's record: 4 or 16 bytes of an address, or a name for PTR.
struct Record {
    std::uint16_t type = kTypeA;
    std::string data = {};
};

/// The answer to `query`, at most `limit` bytes: what does not fit is left out, and the packet says
/// so (TC), upon which the client asks again by TCP.
std::string make_answer(const Query& query, Rcode code, const std::vector<Record>& records,
                        std::size_t limit);

/// The refusal of a packet that has no question that can be read; empty where it has not even a
/// header.
std::string make_refusal(std::string_view packet, Rcode code);

/// Whether `packet` answers `query`, which was sent with `id`: an answer, with the same question.
bool answers(std::string_view packet, const Query& query, std::uint16_t id);

/// The packet's code, or ServFail where it has no header.
Rcode code_of(std::string_view packet);
/// Whether the packet says that it was cut (TC).
bool is_truncated(std::string_view packet);
/// The packet with another id. @pre it has a header
std::string with_id(std::string packet, std::uint16_t id);
/// The packet cut down to header and question, saying so, where it is longer than `limit`.
std::string cut(std::string packet, const Query& query, std::size_t limit);

/// A name of labels of 1 to 63 bytes in wire form, or empty where it can't be one.
std::string wire_name(std::string_view name);

/// The address that a name below in-addr.arpa or ip6.arpa stands for, 4 or 16 bytes; empty: none.
std::string address_of_reverse_name(std::string_view name);

}  // namespace davit::runtime::dns
