#include "base/strings.h"
#include "compose/short_forms.h"

#include <fmt/format.h>

// extra_hosts: `name=address`, `name:address`, or a mapping to one address or several.
// @source compose-go types/hostList.go
namespace davit::compose {
namespace {

std::string without_brackets(std::string_view address) {
    address = trim(address);
    if (address.starts_with('[') && address.ends_with(']'))
        address = address.substr(1, address.size() - 2);
    return std::string(address);
}

void add(Node& list, std::string_view name, std::string_view addresses, const Node& like) {
    for (const std::string& address : split(addresses, ','))
        list.items.push_back(
            string_node(fmt::format("{}={}", trim(name), without_brackets(address)), like));
}

void add_item(Canonicalizer& canonicalizer, Node& list, Node& item, const NodePath& path) {
    if (!item.is_scalar() || scalar_type(item) != ScalarType::String) {
        canonicalizer.refuse_type(item, path, "a string");
        return;
    }
    if (canonicalizer.keeps(item)) {
        list.items.push_back(item);
        return;
    }
    std::size_t end = item.text.find('=');
    if (end == std::string::npos) end = item.text.find(':');
    if (end == std::string::npos || end == 0 || end + 1 == item.text.size()) {
        canonicalizer.refuse_value(item, path,
                                   fmt::format("'{}' names no address", printable(item.text)),
                                   "write it as \"name=10.0.0.1\"");
        return;
    }
    add(list, std::string_view(item.text).substr(0, end),
        std::string_view(item.text).substr(end + 1), item);
}

}  // namespace

bool rewrite_extra_hosts(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!node.is_list() && !node.is_mapping())
        return canonicalizer.refuse_type(node, path, "a mapping or a list");
    Node list = list_node(node);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Node& item = node.items[i];
        if (item.tag == "!reset") continue;
        if (node.is_list()) {
            add_item(canonicalizer, list, item, path.item(i));
        } else if (item.is_list()) {
            for (std::size_t k = 0; k < item.items.size(); ++k) {
                const Node& address = item.items[k];
                if (address.is_scalar() && !address.text.empty())
                    add(list, item.key, address.text, address);
                else
                    canonicalizer.refuse_type(item.items[k], path.entry(item.key).item(k),
                                              "an address");
            }
        } else if (item.is_scalar() && scalar_type(item) == ScalarType::String) {
            add(list, item.key, item.text, item);
        } else {
            canonicalizer.refuse_type(item, path.entry(item.key), "a string or a list");
        }
    }
    node.become(std::move(list));
    return true;
}

}  // namespace davit::compose
