#pragma once

#include "stack/actuator.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace davit::testing {

/// Acts on nothing and notes what it was asked: "create network a". What stands in `failures` fails
/// with that text; `during` runs within each step, on the executor's thread.
class RecordingActuator : public stack::Actuator {
public:
    std::map<std::string, std::string> failures = {};
    std::function<void(const std::string&)> during = {};

    std::vector<std::string> calls() const {
        const std::lock_guard lock(mutex_);
        return calls_;
    }

    Result<void> create_network(const std::string& name) override {
        return note("create network " + name);
    }
    Result<void> remove_network(const std::string& name) override {
        return note("remove network " + name);
    }
    Result<void> create_volume(const std::string& name) override {
        return note("create volume " + name);
    }
    Result<void> remove_volume(const std::string& name) override {
        return note("remove volume " + name);
    }
    Result<void> create_container(const std::string& name) override {
        return note("create container " + name);
    }
    Result<void> start_container(const std::string& name) override {
        return note("start container " + name);
    }
    Result<void> stop_container(const std::string& name) override {
        return note("stop container " + name);
    }
    Result<void> remove_container(const std::string& name) override {
        return note("remove container " + name);
    }
    Result<void> await_container(const std::string& name, compose::Awaited condition) override {
        return note(std::string("await ") + name + " " + compose::name_of(condition));
    }
    std::string standing_of(const std::string& name) override { return name + " stands"; }

private:
    Result<void> note(const std::string& call) {
        {
            const std::lock_guard lock(mutex_);
            calls_.push_back(call);
        }
        if (during) during(call);
        const auto failure = failures.find(call);
        if (failure == failures.end()) return {};
        return Error(ErrorKind::System, failure->second);
    }

    mutable std::mutex mutex_;
    std::vector<std::string> calls_;
};

}  // namespace davit::testing
