#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/archive_add.h"
#include "builder/stage_builder.h"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <fmt/format.h>

namespace davit::builder {
namespace {

/// `--chmod`: an octal number, or what chmod(1) takes else.
Result<void> parse_mode(const std::string& text, CopyAttributes& attributes) {
    unsigned mode = 0;
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, mode, 8);
    constexpr unsigned kHighest = 07777;
    if (code == std::errc() && stop == end && mode <= kHighest) {
        attributes.mode = static_cast<mode_t>(mode);
        return {};
    }
    auto changes = ModeChanges::parse(text);
    if (!changes)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("--chmod is '{}', which is no mode", printable(text)))
            .help("write it like 0755 or u=rwX,go=rX");
    attributes.changes = *std::move(changes);
    return {};
}

/// Whether a selection is one file, and that an archive.
Result<bool> holds_archive(const UniqueFd& root, const Selection& selection) {
    // A socket is chosen, and never copied.
    if (selection.folder || selection.items.empty()) return false;
    const TreeItem& file = selection.items.front();
    if (!S_ISREG(file.info.st_mode)) return false;
    const UniqueFd opened =
        TRY(sys::open_in_root(root, file.source, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    return is_archive(opened);
}

/// A path inside of a root, without the '/' in front.
std::string in_root(const std::string& path) {
    std::string clean = clean_path(path);
    clean.erase(0, 1);
    return clean;
}

}  // namespace

Result<StageBuilder::OpenSource> StageBuilder::open_source(const std::string& from) {
    OpenSource source;
    const auto open_layers = [&](const std::vector<std::string>& diff_ids) -> Result<void> {
        const std::vector<std::string> folders = TRY(shared_.cache.folders(diff_ids));
        const std::string scratch = TRY(shared_.new_folder());
        source.merged = TRY(MergedRoot::open(folders, scratch, false));
        source.keep_owners = true;
        return {};
    };
    const auto open_folder = [&](const std::string& path) -> Result<void> {
        source.folder = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
        return {};
    };
    if (from.empty()) {
        source.ignore = shared_.ignore;
        TRY_DOING(open_folder(shared_.request->context), "open the build context");
        return source;
    }
    Origin origin = find_origin(*shared_.file, shared_.context_names, from);
    if (origin.kind == Origin::Kind::Context) {
        const std::string& place = shared_.request->contexts.at(origin.name);
        constexpr std::string_view kImage = "docker-image://";
        if (!place.starts_with(kImage)) {
            const std::string folder = TRY(shared_.context_folder(origin.name));
            TRY_DOING(open_folder(folder), "open the context '{}'", origin.name);
            return source;
        }
        origin = {.kind = Origin::Kind::Image, .stage = 0, .name = place.substr(kImage.size())};
    }
    if (origin.kind == Origin::Kind::Stage) {
        const ImageState other = TRY(shared_.stage_state(index_, origin.stage));
        TRY(open_layers(other.diff_ids));
    } else if (origin.kind == Origin::Kind::Image) {
        const image::Image image = TRY(shared_.host->find_image(origin.name));
        TRY(open_layers(image.diff_ids));
    } else {
        TRY(open_layers({}));
    }
    return source;
}

Result<CopyAttributes> StageBuilder::copy_attributes(const Instruction& instruction) {
    CopyAttributes attributes;
    const ExpandOptions options = state_.expansion(instruction);
    if (const auto chown = instruction.flag("chown")) {
        const std::string owner = TRY(expand_word(*chown, options));
        const std::vector<std::string> folders = TRY(layers());
        attributes.owner = TRY_DOING(shared_.host->runner->find_owner(owner, folders),
                                     "find the owner '{}'", printable(owner));
    }
    if (const auto chmod = instruction.flag("chmod")) {
        const std::string mode = TRY(expand_word(*chmod, options));
        TRY(parse_mode(mode, attributes));
    }
    return attributes;
}

Result<StageBuilder::Chosen> StageBuilder::choose(const Instruction& instruction,
                                                  const OpenSource& source, const Word& word,
                                                  const SelectOptions& options,
                                                  std::size_t& heredocs) {
    Chosen chosen;
    if (!instruction.exec && heredocs < instruction.heredocs.size() &&
        word.text.find("<<") != std::string::npos) {
        chosen.heredoc = &instruction.heredocs[heredocs++];
        chosen.text = chosen.heredoc->body;
        if (!chosen.heredoc->expand) return chosen;
        // Quotes of the text are the text's own, and it is escaped as shells do it, whatever
        // `# escape=` says. @source BuildKit, dispatchCopy: SkipProcessQuotes
        ExpandOptions expansion = state_.expansion(instruction);
        expansion.escape = '\\';
        expansion.quotes = false;
        chosen.text = TRY(expand_word(chosen.text, expansion));
        return chosen;
    }
    const std::string pattern = TRY(expand_word(word.text, state_.expansion(instruction)));
    if (instruction.keyword == Keyword::Add) {
        const bool remote = TRY(choose_remote(instruction, pattern, chosen));
        if (remote) return chosen;
    }
    chosen.selections = TRY(select_items(source.tree(), pattern, options));
    const bool packed = instruction.flag("unpack").value_or("true") == "false";
    if (instruction.keyword != Keyword::Add || packed) return chosen;
    for (Selection& selection : chosen.selections)
        selection.archive = TRY(holds_archive(source.root(), selection));
    return chosen;
}

Result<StageBuilder::CopyPlan> StageBuilder::plan_copy(const Instruction& instruction,
                                                       const OpenSource& source) {
    CopyPlan plan;
    plan.parents = instruction.switched_on("parents");
    plan.keep_git_dir = instruction.switched_on("keep-git-dir");
    plan.attributes = TRY(copy_attributes(instruction));
    const Word& last = instruction.words.back();
    const std::string destination = TRY(expand_word(last.text, state_.expansion(instruction)));
    plan.destination = absolute_path(state_, destination);
    std::vector<std::string> patterns;
    for (const Flag& flag : instruction.flags)
        if (flag.name == "exclude") patterns.push_back(flag.value);
    const IgnoreFile exclude = TRY(IgnoreFile::of_patterns(patterns));
    const SelectOptions options{.parents = plan.parents,
                                .exclude = exclude.empty() ? nullptr : &exclude};
    std::size_t heredocs = 0;
    for (std::size_t i = 0; i + 1 < instruction.words.size(); ++i) {
        const Word& word = instruction.words[i];
        auto chosen = choose(instruction, source, word, options, heredocs);
        if (!chosen) return std::move(chosen).error().at(word.where);
        plan.chosen.push_back(*std::move(chosen));
    }
    return plan;
}

Result<void> StageBuilder::write_copy(const CopyPlan& plan, const OpenSource& source,
                                      const UniqueFd& root) {
    const Owner owner = plan.attributes.owner.value_or(Owner{});
    const std::string target = in_root(plan.destination);
    std::size_t count = 0;
    for (const Chosen& chosen : plan.chosen)
        count += chosen.selections.empty() ? 1 : chosen.selections.size();
    const auto there = TRY(look_at(root, target));
    const bool into_folder = plan.destination.ends_with('/') || count > 1 || plan.parents ||
                             (there && S_ISDIR(there->st_mode));
    const auto named = [&](const std::string& name) {
        if (!into_folder) return target;
        return target.empty() ? name : target + "/" + name;
    };
    for (const Chosen& chosen : plan.chosen) {
        if (chosen.repository) TRY(write_repository(plan, *chosen.repository, root, target));
        if (chosen.remote)
            TRY(write_remote(plan, chosen, root,
                             chosen.archive ? target : named(chosen.remote->name)));
        if (chosen.heredoc != nullptr) {
            constexpr mode_t kMode = 0644;
            const std::string path = named(chosen.heredoc->name);
            const std::size_t slash = path.rfind('/');
            TRY(make_folders(root, slash == std::string::npos ? "" : path.substr(0, slash), owner));
            TRY(write_file_in(root, path, chosen.text, plan.attributes.mode_of(kMode, false),
                              owner));
            continue;
        }
        for (const Selection& selection : chosen.selections) {
            if (selection.archive) {
                TRY(make_folders(root, target, {}));
                UniqueFd file = TRY(sys::open_in_root(source.root(), selection.items.front().source,
                                                      O_RDONLY | O_NONBLOCK | O_CLOEXEC));
                TRY(unpack_archive(std::move(file), root, target));
            } else if (selection.folder || plan.parents) {
                TRY(make_folders(root, target, owner));
                TRY(copy_items(source.tree(), selection.items, root, target, plan.attributes));
            } else {
                TRY(copy_items(source.tree(), selection.items, root, named(selection.name),
                               plan.attributes));
            }
        }
    }
    return {};
}

Result<Json> StageBuilder::contents_key(const CopyPlan& plan, const OpenSource& source) const {
    const Owner owner = plan.attributes.owner.value_or(Owner{});
    Json attributes = {owner.uid, owner.gid, plan.attributes.mode.value_or(0)};
    if (!plan.attributes.changes.text().empty())
        attributes.push_back(plan.attributes.changes.text());
    Json contents = Json::array();
    for (const Chosen& chosen : plan.chosen) {
        Json line = {{"archive", chosen.archive}};
        if (chosen.heredoc != nullptr) {
            line["name"] = chosen.heredoc->name;
            line["text"] = chosen.text;
            line["owner"] = attributes;
        }
        if (chosen.remote)
            line["remote"] = {chosen.remote->name, chosen.remote->digest, attributes};
        if (chosen.repository)
            line["repository"] = {chosen.repository->commit, chosen.repository->address.folder,
                                  plan.keep_git_dir, attributes};
        for (const Selection& selection : chosen.selections) {
            Json one = {{"folder", selection.folder}, {"name", printable(selection.name)}};
            if (selection.archive) one["archive"] = true;
            one["digest"] = TRY(digest_of(source.tree(), selection.items, plan.attributes));
            line["sources"].push_back(std::move(one));
        }
        contents.push_back(std::move(line));
    }
    return contents;
}

Result<void> StageBuilder::apply_copy(const Instruction& instruction) {
    Step step;
    step.number = shared_.next_number();
    step.name = step_name(instruction);
    step.history = instruction.text;
    OpenSource source;
    CopyPlan plan;
    const auto prepare = [&]() -> Result<void> {
        source = TRY(open_source(instruction.flag("from").value_or("")));
        plan = TRY(plan_copy(instruction, source));
        step.key = parent_key(instruction.keyword == Keyword::Add ? "add" : "copy");
        step.key["destination"] = plan.destination;
        step.key["parents"] = plan.parents;
        step.key["contents"] = TRY(contents_key(plan, source));
        return {};
    };
    auto prepared = prepare();
    if (!prepared) {
        shared_.tell(
            {.kind = shared_.end_of(prepared.error()), .number = step.number, .step = step.name});
        return std::move(prepared).error().at(instruction.where);
    }
    step.make = [&](const std::string& folder) -> Result<std::optional<image::PackOptions>> {
        const std::vector<std::string> folders = TRY(layers());
        const MergedRoot merged = TRY(MergedRoot::open(folders, folder, true));
        TRY(write_copy(plan, source, merged.root()));
        return std::optional<image::PackOptions>(pack_options(*shared_.request));
    };
    return carry_out(step, instruction.where);
}

/// The folder is made where it is missing.
Result<void> StageBuilder::apply_workdir(const Instruction& instruction) {
    auto applied = apply_words(instruction, state_);
    if (!applied) return std::move(applied).error().at(instruction.where);
    const std::string path = in_root(state_.word("WorkingDir"));
    Step step;
    step.number = shared_.next_number();
    step.name = step_name(instruction);
    step.history = "WORKDIR " + state_.word("WorkingDir");
    step.key = parent_key("workdir");
    step.key["path"] = path;
    step.make = [&](const std::string& folder) -> Result<std::optional<image::PackOptions>> {
        const std::vector<std::string> folders = TRY(layers());
        const MergedRoot merged = TRY(MergedRoot::open(folders, folder, true));
        const bool made = TRY(make_folders(merged.root(), path, {}));
        if (!made) return std::optional<image::PackOptions>();
        return std::optional<image::PackOptions>(pack_options(*shared_.request));
    };
    return carry_out(step, instruction.where);
}

}  // namespace davit::builder
