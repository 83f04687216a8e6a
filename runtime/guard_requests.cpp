#include "base/log.h"
#include "runtime/freezer.h"
#include "runtime/guard_process.h"
#include "runtime/protocol.h"

#include <sys/epoll.h>
#include <sys/socket.h>

// What the rest of davit asks of a guard, on its control socket.
namespace davit::runtime {

void Guard::on_connect() {
    UniqueFd socket(::accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    const int fd = socket.get();
    clients_[fd].socket = std::move(socket);
    if (!loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t) { on_request(fd); })) drop(fd);
}

void Guard::drop(int fd) {
    if (attached_->has(fd)) attached_->remove(fd);
    loop_.forget(fd);
    clients_.erase(fd);
}

void Guard::on_request(int fd) {
    Client& client = clients_.at(fd);
    const Result<Json> request = receive_packet(client.socket);
    if (!request || !request->is_object()) return drop(fd);
    bool answer_later = false;
    const Json answer = serve(fd, client, *request, answer_later);
    if (!answer_later && !send_packet(client.socket, answer)) drop(fd);
}

Json Guard::serve(int fd, Client& client, const Json& request, bool& answer_later) {
    const std::string op = string_or(request, "op");
    if (op == "attach") return answer_attach(fd, request);
    if (op == "start") return answer_start(client, answer_later);
    if (op == "stop") {
        client.waits_for_stop = true;
        answer_later = true;
        state_.stopped_by_user = true;
        begin_stop(static_cast<int>(integer_or(request, "signal")),
                   std::chrono::milliseconds(integer_or(request, "timeout_ms", 10000)));
        return {};
    }
    if (op == "kill") {
        const int signal = static_cast<int>(integer_or(request, "signal", SIGKILL));
        const Result<void> sent = container_->signal(signal);
        // Asked to stop, it is not restarted when it does. @source moby daemon/kill.go
        if (sent && signal == stop_signal_ && !state_.stopped_by_user) {
            state_.stopped_by_user = true;
            save();
        }
        // As Docker: a paused container goes on, or the signal would wait with it.
        if (sent && state_.status == Status::Paused) (void)set_paused(false);
        return sent ? ok_answer() : error_answer(sent.error());
    }
    if (op == "save") {
        save();
        return ok_answer();
    }
    if (op == "renew") {
        const std::string program = string_or(request, "program");
        if (const Result<void> ready = prepare_renewal(program); !ready)
            return error_answer(ready.error());
        answer_later = true;
        // Whoever asked may have gone meanwhile; everything is prepared for it.
        (void)send_packet(client.socket, ok_answer());
        renew(program);
        return {};
    }
    if (op == "pause" || op == "unpause") {
        const Result<void> done = set_paused(op == "pause");
        return done ? ok_answer() : error_answer(done.error());
    }
    return error_answer(
        Error(ErrorKind::Unsupported, fmt::format("this guard does not know '{}'", op))
            .help("it may be older than this davit: recreate the container"));
}

/// From here on the connection carries the container's streams: see attachments.h.
Json Guard::answer_attach(int fd, const Json& request) {
    const bool input = takes_input_ && request.value("input", false);
    if (const Result<void> added = attached_->add(fd, input, request.value("all_output", false));
        !added)
        return error_answer(added.error());
    Json answer = ok_answer();
    answer["terminal"] = container_->spec().terminal;
    answer["input"] = input;
    return answer;
}

Json Guard::answer_start(Client& client, bool& answer_later) {
    if (state_.status == Status::Running) return ok_answer();
    if (state_.status != Status::Created)
        return error_answer(Error(ErrorKind::Busy, "the container is between two runs"));
    const Result<void> started = start_run();
    if (started) return ok_answer();
    // The child has reported and ends: its exit is collected here, not by the policy.
    discard_run();
    const int code = started.error().kind() == ErrorKind::NotFound ? 127 : 126;
    const Json answer = error_answer(started.error());
    (void)send_packet(client.socket, answer);
    answer_later = true;
    after_end(code, false, started.error().to_string());
    return answer;
}

Result<void> Guard::set_paused(bool paused) {
    const Status from = paused ? Status::Running : Status::Paused;
    if (state_.status != from)
        return Error(ErrorKind::Busy, fmt::format("the container is {}, not {}",
                                                  to_string(state_.status), to_string(from)));
    if (paused && health_) health_->hold();
    const Result<void> done = set_frozen(container_->spec().cgroups_path, paused);
    if (!done) {
        if (paused && health_) health_->release();
        return done;
    }
    state_.status = paused ? Status::Paused : Status::Running;
    save();
    if (!paused && health_) health_->release();
    return {};
}

void Guard::begin_stop(int signal, std::chrono::milliseconds timeout) {
    if (state_.pid == 0) {  // between two runs
        restart_timer_.disarm();
        return finish();
    }
    if (state_.status == Status::Paused) (void)set_paused(false);
    state_.stopping = true;
    save();
    // A process that never got the word to start has nothing to finish.
    if (state_.status == Status::Created) timeout = std::chrono::milliseconds(0);
    if (timeout.count() > 0) {
        const Result<void> sent = container_->signal(signal > 0 ? signal : stop_signal_);
        if (!sent) log::error("runtime", "{}", sent.error().to_string());
    }
    stop_timer_.arm(timeout);
}

}  // namespace davit::runtime
