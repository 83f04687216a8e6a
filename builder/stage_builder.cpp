#include "builder/stage_builder.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/strings.h"
#include "image/store_files.h"

#include <chrono>
#include <fmt/format.h>

namespace davit::builder {

void BuildShared::tell(BuildEvent event) {
    if (!host->on_event) return;
    const std::lock_guard lock(mutex);
    host->on_event(event);
}

int BuildShared::next_number() {
    const std::lock_guard lock(mutex);
    return ++events;
}

Result<std::string> BuildShared::new_folder() {
    std::string path;
    {
        const std::lock_guard lock(mutex);
        path = fmt::format("{}/{}", staging, ++folders);
    }
    TRY(make_directories(path, 0700));
    return path;
}

GitOptions BuildShared::git_options() const {
    GitOptions options;
    if (const auto agent = request->ssh.find("default"); agent != request->ssh.end())
        options.agent = agent->second;
    if (const auto token = request->secrets.find("GIT_AUTH_TOKEN"); token != request->secrets.end())
        options.token = token->second;
    options.cancelled = [this] { return cancelled(); };
    return options;
}

Result<std::string> BuildShared::context_folder(const std::string& name) {
    const std::string& place = request->contexts.at(name);
    if (!is_remote_context(place)) return place;
    const std::lock_guard lock(fetching);
    auto& context = fetched[name];
    if (!context) context = TRY(fetch_context(host->data_root, place, git_options()));
    return context->folder;
}

image::PackOptions pack_options(const BuildRequest& request) {
    image::PackOptions options;
    options.latest_mtime = request.source_date_epoch;
    return options;
}

Result<ImageState> StageBuilder::build() {
    TRY(begin());
    for (const Instruction& instruction : node_.stage->steps) {
        if (node_.replaced) break;
        if (shared_.cancelled()) return Error(ErrorKind::Cancelled, "the build was interrupted");
        ++position_;
        TRY(apply(instruction));
    }
    state_.config["created"] = created_;
    return state_;
}

Result<void> StageBuilder::begin() {
    count_ = node_.replaced ? 1 : node_.stage->steps.size() + 1;
    position_ = 1;
    const Origin& base = node_.base;
    const auto declare = [&] { state_.config["architecture"] = image::own_architecture(); };
    switch (base.kind) {
        case Origin::Kind::Nothing:
            declare();
            // As docker build and buildah have it: an image of nothing still has a PATH.
            state_.config["config"]["Env"] = {std::string("PATH=") + kDefaultPath};
            created_ = shared_.now;
            return {};
        case Origin::Kind::Stage:
            state_ = TRY(shared_.stage_state(index_, base.stage));
            state_.has_cmd = false;
            created_ = string_or(state_.config, "created");
            break;
        case Origin::Kind::Image: TRY(use_image(base.name)); break;
        case Origin::Kind::Context: {
            const std::string& place = shared_.request->contexts.at(base.name);
            constexpr std::string_view kImage = "docker-image://";
            if (!place.starts_with(kImage))
                return Error(ErrorKind::Unsupported,
                             fmt::format("the context '{}' is a folder, and no image to build on",
                                         base.name))
                    .at(node_.stage->base.where)
                    .help("copy from it with COPY --from, or give docker-image://NAME");
            TRY(use_image(place.substr(kImage.size())));
            break;
        }
    }
    const Json triggers = state_.words().value("OnBuild", Json());
    state_.config["config"].erase("OnBuild");
    return run_triggers(triggers);
}

Result<void> StageBuilder::use_image(const std::string& name) {
    const int number = shared_.next_number();
    const std::string step = fmt::format("[{} 1/{}] FROM {}", node_.label, count_, name);
    shared_.tell({.kind = BuildEvent::Kind::Begun, .number = number, .step = step});
    auto found = shared_.host->find_image(name);
    if (!found) {
        shared_.tell({.kind = shared_.end_of(found.error()), .number = number, .step = step});
        return std::move(found).error().at(node_.stage->base.where);
    }
    state_.config = TRY(image::read_blob(shared_.cache.data_root(), found->id));
    state_.make_fillable();
    for (const char* key :
         {"history", "rootfs", "container", "container_config", "id", "parent", "docker_version"})
        state_.config.erase(key);
    created_ = string_or(state_.config, "created", shared_.now);
    state_.diff_ids = found->diff_ids;
    TRY(layers());
    shared_.tell({.kind = BuildEvent::Kind::Done, .number = number, .step = step});
    return {};
}

/// What the base image left to be done by images that build on it.
Result<void> StageBuilder::run_triggers(const Json& triggers) {
    if (!triggers.is_array()) return {};
    for (const Json& entry : triggers) {
        if (!entry.is_string()) continue;
        Diagnostics diagnostics;
        const auto text = std::make_shared<const SourceFile>(
            SourceFile{"ONBUILD of " + node_.stage->base.text, entry.get<std::string>()});
        auto trigger = parse_instruction(text, diagnostics);
        if (!trigger)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the base image has a trigger that can't be read: '{}'",
                                     printable(entry.get<std::string>())))
                .at(node_.stage->base.where)
                .help("build on another image");
        triggers_.push_back(std::make_shared<const Instruction>(*std::move(trigger)));
        TRY(apply(*triggers_.back()));
    }
    return {};
}

std::string StageBuilder::step_name(const Instruction& instruction) const {
    std::string text = instruction.text;
    constexpr std::size_t kShown = 200;
    if (text.size() > kShown) text = text.substr(0, kShown) + "…";
    return fmt::format("[{} {}/{}] {}", node_.label, position_, count_, printable(text));
}

Result<void> StageBuilder::apply(const Instruction& instruction) {
    switch (instruction.keyword) {
        case Keyword::Run: return apply_run(instruction);
        case Keyword::Copy:
        case Keyword::Add: return apply_copy(instruction);
        case Keyword::Workdir: return apply_workdir(instruction);
        case Keyword::Arg: return apply_arg(instruction);
        default: return words_only(instruction);
    }
}

Result<void> StageBuilder::words_only(const Instruction& instruction) {
    auto applied = apply_words(instruction, state_);
    if (!applied) return std::move(applied).error().at(instruction.where);
    state_.add_history(instruction.text, true);
    state_.history.back()["created"] = created_;
    return {};
}

/// A value comes from --build-arg, from an ARG before the first FROM, or from here.
Result<void> StageBuilder::apply_arg(const Instruction& instruction) {
    const auto& given = shared_.request->args;
    const auto& globals = shared_.graph->globals;
    for (const Pair& pair : instruction.pairs) {
        const std::string& name = pair.name.text;
        if (const auto found = given.find(name); found != given.end()) {
            state_.args[name] = found->second;
        } else if (pair.value) {
            auto value = expand_word(pair.value->text, state_.expansion(instruction));
            if (!value) return std::move(value).error().at(pair.value->where);
            state_.args[name] = *std::move(value);
        } else if (const auto global = globals.find(name); global != globals.end()) {
            state_.args[name] = global->second;
        }
    }
    state_.add_history(instruction.text, true);
    state_.history.back()["created"] = created_;
    return {};
}

Json StageBuilder::parent_key(const char* kind) const {
    return {{"version", 1}, {"kind", kind}, {"parent", state_.diff_ids}};
}

std::optional<StepRecord> StageBuilder::find_step(const Step& step, const std::string& key) {
    const BuildRequest& wanted = *shared_.request;
    if (wanted.no_cache || wanted.no_cache_stages.contains(lowered(node_.label)))
        return std::nullopt;
    if (auto record = shared_.cache.find(key)) return record;
    if (shared_.imported.empty()) return std::nullopt;
    const auto bring = [&]() -> Result<std::optional<StepRecord>> {
        const std::string folder = TRY(shared_.new_folder());
        return shared_.imported.bring(key, shared_.cache, folder);
    };
    auto brought = bring();
    if (brought) return *std::move(brought);
    // A cache that is damaged costs time, and nothing else.
    shared_.tell({.kind = BuildEvent::Kind::Output,
                  .number = step.number,
                  .step = step.name,
                  .output = "the cache is of no use: " + brought.error().to_string() + "\n"});
    return std::nullopt;
}

Result<void> StageBuilder::carry_out(Step step, const SourcePos& where) {
    const auto begun = std::chrono::steady_clock::now();
    if (shared_.request->source_date_epoch) step.key["epoch"] = *shared_.request->source_date_epoch;
    const std::string key = LayerCache::key_of(step.key);
    const auto tell = [&](BuildEvent::Kind kind) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
        shared_.tell({.kind = kind,
                      .number = step.number,
                      .step = step.name,
                      .output = {},
                      .seconds = took.count()});
    };
    std::optional<StepRecord> record = find_step(step, key);
    bool known = record.has_value();
    if (record) {
        tell(BuildEvent::Kind::Cached);
    } else {
        tell(BuildEvent::Kind::Begun);
        const auto make = [&]() -> Result<StepRecord> {
            if (step.prepare && TRY(step.prepare())) {
                if (const auto found = find_step(step, key)) {
                    known = true;
                    return *found;
                }
            }
            const std::string folder = TRY(shared_.new_folder());
            FAILPOINT("build.step");
            const auto options = TRY(step.make(folder));
            StepRecord made{"", shared_.now};
            if (options)
                made.diff_id = TRY(shared_.cache.add_layer(folder + "/upper", folder, *options));
            TRY(shared_.cache.remember(key, made));
            if (const auto removed = remove_tree(folder); !removed) return removed.error();
            return made;
        };
        auto made = make();
        if (!made) {
            tell(shared_.end_of(made.error()));
            return image::explain_full_disk(std::move(made).error().at(where),
                                            shared_.cache.data_root());
        }
        record = *std::move(made);
        tell(known ? BuildEvent::Kind::Cached : BuildEvent::Kind::Done);
    }
    {
        const std::lock_guard lock(shared_.mutex);
        if (!known) ++shared_.steps_run;
        shared_.records[key] = *record;
    }
    const bool empty = record->diff_id.empty();
    if (!empty) {
        state_.diff_ids.push_back(record->diff_id);
        created_ = record->created;
    }
    state_.add_history(step.history, empty);
    state_.history.back()["created"] = created_;
    return {};
}

}  // namespace davit::builder
