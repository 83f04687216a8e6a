#include "stack/executor.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>

// One thread decides and speaks: the caller's. It begins a step only when a worker is free for it,
// hears of its end, and lets go of what waited for it. The workers only act, so neither `on_event`
// nor `cancelled` is ever called from a thread that the caller doesn't know.
namespace davit::stack {
namespace {

using compose::Plan;
using compose::Step;
using compose::StepId;

struct Finished {
    StepId id = 0;
    Result<void> result = {};
};

/// Threads that take steps from one queue and put results into another.
class Workers {
public:
    /// As many as `count`, or as there are to be had. Without any the caller works itself.
    Workers(const Plan& plan, Actuator& actuator, std::size_t count)
        : plan_(plan), actuator_(actuator) {
        threads_.reserve(count);
        try {
            for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
        } catch (const std::system_error&) {  // the limit of processes, or of memory
        }
    }
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    ~Workers() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        step_is_there_.notify_all();
        // threads_, declared last, is destroyed first: that joins them before the queues go.
    }

    /// How many steps may be given before one has ended.
    std::size_t capacity() const { return std::max<std::size_t>(threads_.size(), 1); }

    /// A step that waits for something has a thread of its own, so that it keeps nobody from work.
    void give_apart(StepId id) {
        try {
            waiters_.emplace_back([this, id] { finish(id, perform(plan_.steps[id], actuator_)); });
        } catch (const std::system_error& why) {
            finish(id, Error::from_errno(why.code().value(), "pthread_create(3)")
                           .doing("wait for '{}'", plan_.steps[id].resource.name)
                           .help("raise the limit of processes ('ulimit -u', TasksMax= of "
                                 "systemd), and try again"));
        }
    }

    void give(StepId id) {
        if (threads_.empty()) return finish(id, perform(plan_.steps[id], actuator_));
        const std::lock_guard lock(mutex_);
        waiting_.push_back(id);
        step_is_there_.notify_one();
    }

    /// Waits for the next step to end, at most `patience` where that is not 0.
    std::optional<Finished> take(std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        const auto there = [&] { return !finished_.empty(); };
        if (patience.count() == 0)
            result_is_there_.wait(lock, there);
        else if (!result_is_there_.wait_for(lock, patience, there))
            return std::nullopt;
        Finished next = std::move(finished_.front());
        finished_.pop_front();
        return next;
    }

private:
    void work() {
        for (;;) {
            std::unique_lock lock(mutex_);
            step_is_there_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            const StepId id = waiting_.front();
            waiting_.pop_front();
            lock.unlock();
            finish(id, perform(plan_.steps[id], actuator_));
        }
    }

    void finish(StepId id, Result<void> result) {
        const std::lock_guard lock(mutex_);
        finished_.push_back({id, std::move(result)});
        result_is_there_.notify_one();
    }

    const Plan& plan_;
    Actuator& actuator_;
    std::mutex mutex_;
    std::condition_variable step_is_there_;
    std::condition_variable result_is_there_;
    std::deque<StepId> waiting_;
    std::deque<Finished> finished_;
    bool closed_ = false;
    std::vector<std::jthread> threads_;
    std::vector<std::jthread> waiters_;
};

std::size_t worker_count(const Plan& plan, int parallel) {
    const std::size_t cores = std::max<std::size_t>(std::thread::hardware_concurrency(), 4);
    const std::size_t wanted = parallel > 0 ? static_cast<std::size_t>(parallel) : cores;
    return std::min(wanted, plan.steps.size());
}

class Execution {
public:
    Execution(const Plan& plan, Actuator& actuator, const ExecuteOptions& options,
              const OnEvent& on_event)
        : plan_(plan),
          actuator_(actuator),
          options_(options),
          on_event_(on_event),
          workers_(plan, actuator, worker_count(plan, options.parallel)),
          unmet_(plan.steps.size()),
          dependents_(plan.steps.size()),
          skipped_(plan.steps.size(), false) {
        for (StepId id = 0; id < plan.steps.size(); ++id) {
            // A need that is named twice is one need.
            const std::set<StepId> needs(plan.steps[id].after.begin(), plan.steps[id].after.end());
            unmet_[id] = needs.size();
            for (const StepId need : needs) dependents_[need].push_back(id);
            if (needs.empty()) ready_.insert(id);
        }
    }

    std::vector<FailedStep> run() {
        for (;;) {
            begin_what_can_begin();
            if (in_flight_ == 0 && waits_.empty()) break;
            std::optional<Finished> finished = workers_.take(waits_.empty() ? kForEver : kReport);
            if (!finished) {
                report_waits();
                continue;
            }
            if (waits_.erase(finished->id) == 0) --in_flight_;
            end(finished->id, std::move(finished->result));
        }
        std::vector<FailedStep> failed;
        for (auto& [id, error] : failed_) failed.push_back({plan_.steps[id], std::move(error)});
        return failed;
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds kForEver{0};
    static constexpr std::chrono::milliseconds kReport{1000};

    void begin_what_can_begin() {
        while (in_flight_ < workers_.capacity() && !ready_.empty() && !cancelled_) {
            cancelled_ = options_.cancelled && options_.cancelled();
            if (cancelled_) return;
            const StepId id = *ready_.begin();
            ready_.erase(ready_.begin());
            tell(StepEvent::Kind::Begun, id, nullptr);
            if (plan_.steps[id].kind == compose::StepKind::AwaitContainer) {
                waits_[id] = Clock::now();
                workers_.give_apart(id);
                continue;
            }
            ++in_flight_;
            workers_.give(id);
        }
    }

    void report_waits() {
        if (!on_event_) return;
        for (const auto& [id, begun] : waits_) {
            StepEvent event{StepEvent::Kind::Waiting, &plan_.steps[id], nullptr};
            event.elapsed = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun);
            event.standing = actuator_.standing_of(plan_.steps[id].resource.name);
            on_event_(event);
        }
    }

    void end(StepId id, Result<void> result) {
        if (result.ok()) return succeed(id);
        if (result.error().kind() == ErrorKind::Cancelled) {  // the user's will is no failure
            cancelled_ = true;
            return skip_dependents(id);
        }
        if (!plan_.steps[id].optional) return fail(id, std::move(result).error());
        tell(StepEvent::Kind::Failed, id, &result.error());
        let_go(id);
    }

    void succeed(StepId id) {
        tell(StepEvent::Kind::Done, id, nullptr);
        let_go(id);
    }

    void let_go(StepId id) {
        for (const StepId dependent : dependents_[id])
            if (--unmet_[dependent] == 0) ready_.insert(dependent);
    }

    void fail(StepId id, Error error) {
        const Error& kept = failed_.emplace(id, std::move(error)).first->second;
        tell(StepEvent::Kind::Failed, id, &kept);
        skip_dependents(id);
    }

    /// A skipped step can't become ready: at least the need that was not met stays unmet.
    void skip_dependents(StepId failed) {
        std::set<StepId> queue(dependents_[failed].begin(), dependents_[failed].end());
        while (!queue.empty()) {
            const StepId id = *queue.begin();
            queue.erase(queue.begin());
            if (skipped_[id]) continue;
            skipped_[id] = true;
            tell(StepEvent::Kind::Skipped, id, nullptr);
            queue.insert(dependents_[id].begin(), dependents_[id].end());
        }
    }

    void tell(StepEvent::Kind kind, StepId id, const Error* error) {
        if (!on_event_) return;
        StepEvent event{kind, &plan_.steps[id], error};
        on_event_(event);
    }

    const Plan& plan_;
    Actuator& actuator_;
    const ExecuteOptions& options_;
    const OnEvent& on_event_;
    Workers workers_;
    std::vector<std::size_t> unmet_;  ///< Needs of each step that have not succeeded yet.
    std::vector<std::vector<StepId>> dependents_;
    std::vector<bool> skipped_;
    std::set<StepId> ready_;
    std::size_t in_flight_ = 0;
    std::map<StepId, Clock::time_point> waits_;  ///< Those that wait, and since when.
    bool cancelled_ = false;
    std::map<StepId, Error> failed_;
};

}  // namespace

std::vector<FailedStep> execute(const Plan& plan, Actuator& actuator, const ExecuteOptions& options,
                                const OnEvent& on_event) {
    if (plan.empty()) return {};
    return Execution(plan, actuator, options, on_event).run();
}

}  // namespace davit::stack
