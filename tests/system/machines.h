#pragma once

#include "base/unique_fd.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/// Network namespaces as machines that ask each other: many questions at once, from the test's own
/// process, so that a whole matrix of paths takes as long as its slowest answer.
namespace davit::testing {

/// A network namespace: a container's, another machine's, or the one that the test runs in.
class Machine {
public:
    /// The namespace of the calling thread.
    static Machine here();
    /// A new one, with its loopback device up, which goes with the last descriptor to it.
    static Machine alone();
    /// The one of a process.
    static Machine of_process(const std::string& pid);

    /// The same one, with a descriptor of its own.
    Machine again() const;

    /// Runs a program in it; the test fails unless it exits with 0. Returns what it printed.
    std::string run(const std::string& words) const;
    /// Where other programs find the namespace, as long as this object lives.
    std::string path() const;
    const UniqueFd& netns() const { return netns_; }

private:
    explicit Machine(UniqueFd netns) : netns_(std::move(netns)) {}
    UniqueFd netns_;
};

/// Answers TCP connections and datagrams of both families with "NAME PORT PEER": who was reached,
/// where, and as whom it sees the one who asks.
class Responder {
public:
    Responder();
    ~Responder();
    Responder(const Responder&) = delete;
    Responder& operator=(const Responder&) = delete;

    void serve(const Machine& machine, const std::string& name, std::uint16_t port);
    /// Closes all its sockets: the machines are about to go.
    void forget_all();

private:
    struct Service {
        UniqueFd fd;
        bool udp = false;
        std::string words;
    };
    void answer(const Service& service);
    std::mutex mutex_;
    std::vector<Service> services_;
    std::atomic<bool> stop_{false};
    std::atomic<int> rounds_{0};
    std::thread thread_;
};

/// One question: does `from` reach this address?
struct Probe {
    std::string from = {};
    std::string ip = {};
    std::uint16_t port = 0;
    bool udp = false;
};

/// Sends all probes at once. The answers in their order, "" where none came within `patience_ms`.
std::vector<std::string> ask_all(const std::map<std::string, Machine>& machines,
                                 const std::vector<Probe>& probes, int patience_ms);

}  // namespace davit::testing
