#pragma once

#include "runtime/attachments.h"
#include "runtime/container.h"
#include "runtime/dns_server.h"
#include "runtime/event_loop.h"
#include "runtime/guard.h"
#include "runtime/health_monitor.h"
#include "runtime/joins.h"
#include "runtime/log_file.h"
#include "runtime/log_forward.h"
#include "runtime/relay.h"
#include "runtime/restart_policy.h"
#include "runtime/rules_watch.h"
#include "runtime/state.h"

#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <optional>

/// The inside of guard.cpp and guard_requests.cpp; nobody else includes it.
namespace davit::runtime {

/// The annotation, or "".
std::string annotation_of(const Spec& spec, const char* key);

/// The life of a guard: prepare (everything that can fail, answered to the launcher), then events:
/// requests on the control socket, output on the FIFOs, the end of the init process, timers.
class Guard {
public:
    Guard(GuardOptions options, EventLoop loop, Timer stop_timer, Timer restart_timer)
        : options_(std::move(options)),
          loop_(std::move(loop)),
          stop_timer_(std::move(stop_timer)),
          restart_timer_(std::move(restart_timer)) {}

    Result<void> prepare();
    void answer_launcher(const Result<void>& prepared);
    Result<void> run() { return loop_.run(); }
    /// Ends what `prepare` has begun and could not finish.
    void give_up();
    /// Takes away what this guard put into the run folder; the state stays.
    void clean_up();

private:
    using Clock = std::chrono::steady_clock;
    struct Client {
        UniqueFd socket;
        bool waits_for_stop = false;
    };

    Result<void> open_log(const Spec& spec);
    Result<void> open_health(const Spec& spec);
    /// Ends a run whose program was never executed.
    void discard_run();
    Result<Spec> read_configuration();
    Result<void> read_adopted_state();
    void protect();
    Result<void> watch_signals();
    Result<void> open_ports(const Spec& spec);
    Result<void> take_container(Spec spec);
    Result<void> adopt_run();
    Result<void> open_names();
    void watch_rules(const Spec& spec);
    Result<void> open_streams(const Spec& spec);
    Result<UniqueFd> make_fifo(const char* name, const Spec& spec) const;
    Result<UniqueFd> open_fifo(const char* name, const Spec& spec) const;
    Result<void> create_run();
    Result<void> start_run();
    void save();

    Result<void> create_with_terminal();
    Result<void> create_with_pipes();
    Result<void> rejoin();
    Result<void> watch_output();
    void on_terminal();
    void on_output(LogFile::Stream stream);
    void take(LogFile::Stream stream, std::string_view bytes);
    Result<UniqueFd> open_input();
    Result<void> keep_open(const UniqueFd& fd);
    void take_kept();
    void drain();
    void on_exit();
    void after_end(int exit_code, bool oom_killed, const std::string& error);
    void restart();
    void note_end();
    void finish();

    void on_connect();
    void on_request(int fd);
    Json serve(int fd, Client& client, const Json& request, bool& answer_later);
    Json answer_attach(int fd, const Json& request);
    Json answer_start(Client& client, bool& answer_later);
    Result<void> set_paused(bool paused);
    void begin_stop(int signal, std::chrono::milliseconds timeout);
    void drop(int fd);

    Result<void> prepare_renewal(const std::string& program);
    void renew(const std::string& program);
    Result<void> read_handover();

    LogFile::Rotation rotation();
    void end_compressor();
    void start_compressor(const std::string& path);

    GuardOptions options_;
    EventLoop loop_;
    Timer stop_timer_;
    Timer restart_timer_;
    std::optional<Container> container_;
    std::optional<LogFile> log_;
    std::optional<LogForwarder> forward_;
    RestartPolicy policy_;
    int stop_signal_ = SIGTERM;
    ContainerState state_;
    Clock::time_point started_{};
    std::chrono::milliseconds pause_{0};
    std::optional<std::string> was_oom_score_;  ///< Set where it could be changed.
    UniqueFd out_;                              ///< Our ends of the FIFOs.
    UniqueFd err_;
    UniqueFd terminal_;     ///< Of a container that has one, for this run.
    UniqueFd input_;        ///< From before this process became this program, until it is used.
    pid_t compressor_ = 0;  ///< Compresses a rotated log; 0: none.
    UniqueFd compressor_fd_;
    UniqueFd control_;
    UniqueFd signals_;
    std::unique_ptr<Relay> relay_;
    std::unique_ptr<DnsServer> dns_;
    std::unique_ptr<RulesWatch> rules_;
    std::unique_ptr<HealthMonitor> health_;
    std::map<int, Client> clients_;
    std::unique_ptr<Attachments> attached_;
    Partners partners_;  ///< While the namespaces of others are being opened.
    bool takes_input_ = false;
    bool input_once_ = false;
    bool output_waits_ = false;   ///< A client wants all of it, and has enough for now.
    bool shutting_down_ = false;  ///< The system ends, and no run follows this one.
    bool finished_ = false;       ///< Ends when nobody is attached any more.
};

}  // namespace davit::runtime
