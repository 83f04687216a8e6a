#pragma once

#include "stack/actuator.h"
#include "stack/allocate.h"
#include "stack/rules.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace davit::stack {

/// Carries steps out through runtime/, network/ and image/. Every function may be repeated after a
/// crash at any point of its first try: what is there is taken, what is gone is fine.
class KernelActuator : public Actuator {
public:
    /// What the steps need to know; must outlive the actuator.
    struct World {
        const Environment* environment = nullptr;
        std::string project = {};
        const Observation* seen = nullptr;
        const Choices* choices = nullptr;                ///< Null for `down` and `stop`.
        const compose::DesiredState* desired = nullptr;  ///< Null for `down` and `stop`.
        std::optional<std::chrono::milliseconds> stop_timeout = {};
        int cancel_fd = -1;  ///< Readable: waits are given up.
        std::optional<std::chrono::steady_clock::time_point> wait_until = {};  ///< They fail then.
        bool renew_anonymous = false;  ///< New containers get empty anonymous volumes.
        bool hooks = true;             ///< False: `pre_stop` has no say, as with `kill`.
    };
    explicit KernelActuator(World world);

    Result<void> create_network(const std::string& name) override;
    Result<void> remove_network(const std::string& name) override;
    Result<void> create_volume(const std::string& name) override;
    Result<void> remove_volume(const std::string& name) override;
    Result<void> create_container(const std::string& name) override;
    Result<void> start_container(const std::string& name) override;
    Result<void> stop_container(const std::string& name) override;
    Result<void> remove_container(const std::string& name) override;
    Result<void> await_container(const std::string& name, compose::Awaited condition) override;
    std::string standing_of(const std::string& name) override;

private:
    const Paths& paths() const { return world_.environment->paths; }
    const ContainerRecord& record_of(const std::string& name) const;
    /// A network of this project, or of another one. @errors NotFound
    Result<NetworkRecord> network_record(const std::string& name) const;
    Result<std::map<std::string, NetworkRecord>> networks_of(const ContainerRecord& record) const;
    Result<void> make_state_folders(const ContainerRecord& record,
                                    std::int64_t storage_bytes) const;
    Result<void> make_mount_sources(const ContainerRecord& record, bool renew) const;
    Result<void> raise_free_networks(const ContainerRecord& record);
    Result<void> write_name_files(const ContainerRecord& record, const std::string& run_dir) const;
    Result<void> fill_volumes(const ContainerRecord& record, const ContainerInputs* inputs) const;
    Result<void> bring_files(const ContainerRecord& record) const;
    Result<void> bring_up(const ContainerRecord& record);
    Result<void> take_in_hand(const ContainerRecord& record);
    Result<void> connect(const ContainerRecord& record, const UniqueFd& netns) const;
    Result<void> announce(const ContainerRecord& record);
    Result<void> withdraw(const std::string& name);
    Result<void> run_hooks(const ContainerRecord& record, bool starting) const;

    World world_;
    RuleUpdater rules_;
    int mtu_ = 1500;
};

}  // namespace davit::stack
