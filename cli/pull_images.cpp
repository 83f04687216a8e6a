#include "cli/pull_images.h"

#include "base/duration.h"
#include "cli/progress.h"
#include "cli/registries.h"
#include "image/platform.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <fmt/format.h>
#include <thread>

namespace davit::cli {
namespace {

constexpr std::size_t kImagesAtOnce = 3;
constexpr std::int64_t kDay = 86400;

PullView::Style style_of(const Context& context, bool quiet) {
    const std::string& word = context.globals.progress;
    if (quiet || word == "quiet") return PullView::Style::Quiet;
    const bool can = context.terminal.err_is_terminal && context.globals.ansi != "never" &&
                     context.variable("TERM") != "dumb";
    const bool terminal = word == "tty" || (word == "auto" && can);
    return terminal ? PullView::Style::Terminal : PullView::Style::Plain;
}

/// Whether the image in the store is one for the platform that the service asks for.
bool fits(const image::Image& found, const std::string& platform) {
    const Result<image::Platform> wanted = image::parse_platform(platform);
    return platform.empty() || !wanted || found.config.architecture.empty() ||
           wanted->architecture == found.config.architecture;
}

}  // namespace

Result<std::vector<PullOutcome>> pull_images(const Context& context, const std::string& data_root,
                                             const std::vector<WantedImage>& images, bool quiet) {
    std::vector<PullOutcome> outcomes;
    if (images.empty()) return outcomes;
    (void)TRY(parse_progress(context.globals.progress));
    const image::RegistrySettings settings = TRY(registry_settings(context));
    image::Store store = TRY(image::Store::open(data_root));
    PullView view(style_of(context, quiet), context.terminal.err_colour);
    for (const WantedImage& wanted : images)
        outcomes.push_back({wanted, Error(ErrorKind::Cancelled, "interrupted")});
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (;;) {
            const std::size_t mine = next++;
            if (mine >= outcomes.size() || settings.cancelled()) return;
            const WantedImage& wanted = outcomes[mine].wanted;
            view.begin(wanted.image);
            outcomes[mine].result = image::pull(
                store, settings, {wanted.image, wanted.platform},
                [&](const image::PullEvent& event) { view.event(wanted.image, event); });
            view.end(wanted.image, outcomes[mine].result.ok());
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < std::min(kImagesAtOnce, images.size()); ++i)
            threads.emplace_back(work);
        work();
    }
    return outcomes;
}

std::vector<Intent> intents_to_pull(const std::vector<WantedImage>& images) {
    std::vector<Intent> intents;
    for (const WantedImage& wanted : images)
        intents.push_back({'+', "pull", "image", wanted.image,
                           wanted.services.empty()
                               ? std::string()
                               : fmt::format("for {}", fmt::join(wanted.services, ", "))});
    return intents;
}

Result<bool> must_pull(const std::string& policy, const std::optional<image::Image>& found,
                       std::int64_t now_s) {
    if (policy == "always" || policy == "refresh") return true;
    if (policy == "never" || policy == "build") return false;
    if (policy.empty() || policy == "missing" || policy == "if_not_present") return !found;
    std::int64_t every_s = 0;
    if (policy == "daily") {
        every_s = kDay;
    } else if (policy == "weekly") {
        every_s = 7 * kDay;
    } else if (policy.starts_with("every_")) {
        const auto every = parse_duration(policy.substr(6));
        if (every) every_s = std::chrono::duration_cast<std::chrono::seconds>(*every).count();
    }
    if (every_s <= 0)
        return Error(ErrorKind::InvalidInput, fmt::format("there is no pull policy '{}'", policy))
            .help("use always, missing, never, build, daily, weekly or every_12h");
    return !found || found->pulled_at + every_s <= now_s;
}

namespace {

/// What a store has of images; each is looked for once, whoever asks.
class Looked {
public:
    static Result<Looked> open(const std::string& data_root) {
        Looked looked;
        looked.store_ = TRY(image::Store::open_existing(data_root));
        return looked;
    }
    const std::optional<image::Image>& find(const std::string& name) {
        const auto known = found_.find(name);
        if (known != found_.end()) return known->second;
        std::optional<image::Image>& image = found_[name];
        if (store_)
            if (Result<image::Image> there = store_->find(name); there) image = *std::move(there);
        return image;
    }

private:
    std::optional<image::Store> store_ = {};
    std::map<std::string, std::optional<image::Image>> found_ = {};
};

/// Images that a service needs beside its own. They follow no policy but the command line's.
std::vector<std::string> further_images(const compose::Service& service) {
    std::vector<std::string> images;
    for (const compose::Mount& mount : service.volumes)
        if (mount.type == compose::MountType::Image) images.push_back(mount.source);
    for (const compose::Hook& hook : service.pre_start)
        if (!hook.image.empty()) images.push_back(hook.image);
    return images;
}

}  // namespace

Result<std::vector<WantedImage>> images_to_pull(const compose::Project& project,
                                                const std::set<std::string>& names,
                                                const std::string& data_root,
                                                const std::string& policy) {
    Looked store = TRY(Looked::open(data_root));
    std::map<std::pair<std::string, std::string>, WantedImage> wanted;
    for (const auto& [name, service] : project.services) {
        if (!names.contains(name) || service.image.empty()) continue;
        std::optional<image::Image> found = store.find(service.image);
        if (found && !fits(*found, service.platform)) found.reset();
        const bool must = TRY_DOING(
            must_pull(policy.empty() ? service.pull_policy : policy, found, std::time(nullptr)),
            "pull the image of service '{}'", name);
        const auto add = [&](const std::string& image) {
            WantedImage& one = wanted[{image, service.platform}];
            one.image = image;
            one.platform = service.platform;
            one.services.push_back(name);
        };
        if (must) add(service.image);
        for (const std::string& image : further_images(service))
            if (policy == "always" || (!store.find(image) && policy != "never")) add(image);
    }
    std::vector<WantedImage> list;
    for (auto& [key, one] : wanted) list.push_back(std::move(one));
    return list;
}

}  // namespace davit::cli
