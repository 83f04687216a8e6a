#include "base/strings.h"
#include "compose/bind.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

// `volumes_from`: the mounts of other services, beneath the service's own.
namespace davit::compose {
namespace {

/// "SERVICE", "SERVICE:ro" or "SERVICE:rw".
struct Lender {
    std::string service = {};
    bool read_only = false;
};

class Borrower {
public:
    Borrower(const Node& services, Project& project, Diagnostics& diagnostics)
        : services_(services), project_(project), diagnostics_(diagnostics) {}

    /// Gives the service its lenders' mounts, after they have got those of theirs.
    void settle(const Node& node) {
        // A circle is told where dependencies are looked at: a lender is one.
        if (!settled_.insert(node.key).second) return;
        const Node* list = node.find("volumes_from");
        const auto service = project_.services.find(node.key);
        if (list == nullptr || service == project_.services.end()) return;
        std::map<std::string, Mount> mounts;
        for (const Node& item : list->items) borrow(item, mounts);
        for (const Mount& own : service->second.volumes) mounts.erase(own.target);
        for (const Tmpfs& own : service->second.tmpfs) mounts.erase(own.target);
        for (auto& [target, mount] : mounts) service->second.volumes.push_back(std::move(mount));
    }

private:
    void borrow(const Node& item, std::map<std::string, Mount>& mounts) {
        const std::optional<Lender> lender = lender_of(item);
        if (!lender) return;
        const Node* node = services_.find(lender->service);
        if (node == nullptr) return;  // told where dependencies are looked at
        settle(*node);
        diagnostics_.warning(
            fmt::format("what the image of service '{}' declares as VOLUME is not shared",
                        printable(lender->service)),
            item.place(), "name such volumes in 'volumes' of that service");
        for (Mount mount : project_.services[lender->service].volumes) {
            if (mount.type == MountType::Volume && mount.source.empty()) {
                diagnostics_.error(fmt::format("the volume at '{}' of service '{}' has no name",
                                               mount.target, printable(lender->service)),
                                   item.place(),
                                   "give it one, so that others can use it: NAME:" + mount.target);
                continue;
            }
            mount.read_only = mount.read_only || lender->read_only;
            mounts[mount.target] = std::move(mount);
        }
    }

    std::optional<Lender> lender_of(const Node& item) {
        if (item.text.starts_with("container:")) {
            diagnostics_.error("volumes of a container that the file doesn't have", item.place(),
                               "name them as external volumes in 'volumes'");
            return std::nullopt;
        }
        const std::size_t colon = item.text.find(':');
        const std::string mode =
            colon == std::string::npos ? std::string() : item.text.substr(colon + 1);
        if (!mode.empty() && mode != "ro" && mode != "rw") {
            diagnostics_.error(fmt::format("'{}' is not ro or rw", printable(mode)), item.place(),
                               "write SERVICE, SERVICE:ro or SERVICE:rw");
            return std::nullopt;
        }
        return Lender{item.text.substr(0, colon), mode == "ro"};
    }

    const Node& services_;
    Project& project_;
    Diagnostics& diagnostics_;
    std::set<std::string> settled_ = {};
};

}  // namespace

void settle_volumes_from(const Node& model, Project& project, Diagnostics& diagnostics) {
    const Node* services = model.find("services");
    if (services == nullptr) return;
    Borrower borrower(*services, project, diagnostics);
    for (const Node& node : services->items)
        if (node.is_mapping()) borrower.settle(node);
}

}  // namespace davit::compose
