#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// A small part of nftables' netlink language: for guards, which libnftables is much too large for,
/// and for what happens once for each container, which it takes milliseconds for.
/// @source linux/include/uapi/linux/netfilter/nf_tables.h
namespace davit {

/// A netlink socket for nf_tables, with an address of its own. What is asked with it ends within
/// two seconds. @errors System, Unsupported
Result<UniqueFd> open_netfilter(int flags = 0);

/// One rule: expressions in their order, each of which goes on to the next or ends the rule.
class NftRule {
public:
    /// Continues where the packet's interface is (or isn't) in a set of names.
    NftRule& in_link_in(const std::string& set, bool is = true);
    NftRule& out_link_in(const std::string& set, bool is = true);
    /// Continues where the pair of both is in a set of pairs.
    NftRule& links_in(const std::string& set);
    /// Continues where the IPv4 address at `offset` of the header begins with this byte.
    NftRule& ipv4_begins(std::uint32_t offset, std::uint8_t byte);
    NftRule& protocol(std::uint8_t number);
    /// Continues where connection tracking says one of these bits.
    NftRule& tracked(std::uint32_t key, std::uint32_t bits);
    /// NF_ACCEPT or NF_DROP.
    NftRule& verdict(std::uint32_t code);

    const std::string& bytes() const { return expressions_; }

private:
    NftRule& add(std::string_view name, const std::string& data);
    NftRule& link_in(std::uint32_t key, const std::string& set, bool is);
    NftRule& compare(std::uint32_t operation, std::string_view value);
    std::string expressions_;
};

enum class NftFamily : std::uint8_t { Inet, Bridge };

/// Changes of one table, carried out together or not at all.
class NftBatch {
public:
    explicit NftBatch(std::string table, NftFamily family = NftFamily::Inet)
        : table_(std::move(table)), family_(family) {}

    /// The table, which nobody but the socket that sends this may change, and which ends with it.
    void own_table();
    void delete_table();
    /// A set of `keys`, each `key_length` bytes.
    void set(const std::string& name, std::uint32_t key_length, std::uint32_t key_type,
             const std::vector<std::string>& keys);
    /// More elements of a set that is there: keys of as many bytes as it has. Those that are in it
    /// already stay.
    void elements(const std::string& set, const std::vector<std::string>& keys);
    /// A chain for filtering.
    void chain(const std::string& name, std::uint32_t hook, std::int32_t priority);
    void rule(const std::string& chain, const NftRule& rule);

    /// @errors PermissionDenied where the table is somebody else's; System
    Result<void> send(const UniqueFd& socket) const;

private:
    void message(int type, int flags, const std::string& attributes);
    std::string table_;
    NftFamily family_;
    std::uint32_t sets_ = 0;
    std::uint32_t sequence_ = 0;
    std::string messages_;
};

/// The keys in a set of a table of the family inet; nothing where there is no such set.
/// @errors System
Result<std::vector<std::string>> keys_of_set(const UniqueFd& socket, const std::string& table,
                                             const std::string& set);

}  // namespace davit
