#pragma once

#include "base/file.h"
#include "builder/build.h"
#include "builder/git_source.h"
#include "builder/graph.h"
#include "builder/ignore.h"
#include "builder/image_state.h"
#include "builder/layer_cache.h"
#include "builder/merged_root.h"
#include "builder/remote_context.h"
#include "builder/remote_file.h"
#include "builder/run_mount.h"
#include "builder/tree.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

namespace davit::builder {

/// Of images that say none.
inline constexpr const char* kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the stages of one build share.
struct BuildShared {
    const BuildHost* host = nullptr;
    const BuildRequest* request = nullptr;
    const Dockerfile* file = nullptr;
    const BuildGraph* graph = nullptr;
    const IgnoreFile* ignore = nullptr;
    std::set<std::string> context_names = {};
    LayerCache cache{""};
    std::string staging = {};  ///< Folder for what is in the making; goes with the build.
    std::string now = {};      ///< RFC 3339: the time that new layers bear.
    /// The finished state of `stage`, which `asking` needs; waits for it.
    /// @errors InvalidInput where that one waits for `asking`
    std::function<Result<ImageState>(std::size_t asking, std::size_t stage)> stage_state = {};
    std::atomic<bool> failed = false;  ///< One stage has: the others need not go on.

    std::counting_semaphore<> run_slots{2};
    std::mutex mutex;  ///< Guards what follows, and the calls of on_event.
    int events = 0;
    int folders = 0;
    int steps_run = 0;
    StepRecords records = {};  ///< Of all steps, those of the cache too.

    ImportedSteps imported = {};  ///< Of --cache-from.
    std::mutex fetching;          ///< Guards what follows.
    std::map<std::string, std::shared_ptr<const FetchedContext>> fetched = {};

    void tell(BuildEvent event);
    int next_number();
    /// A new folder within the staging folder.
    Result<std::string> new_folder();
    /// The folder of the additional context `name`, which is brought here when it is first needed.
    Result<std::string> context_folder(const std::string& name);
    /// How git(1) is to be run for this build.
    GitOptions git_options() const;
    /// Whether the build is to end: the user wants it, or a stage has failed.
    /// How a step ends that ends with this error: what comes of another stage's is not its own.
    BuildEvent::Kind end_of(const Error& error) const {
        return cancelled() || error.kind() == ErrorKind::Cancelled ? BuildEvent::Kind::Cancelled
                                                                   : BuildEvent::Kind::Failed;
    }
    bool cancelled() const { return failed || (host->cancelled && host->cancelled()); }
};

/// Carries out one stage, instruction by instruction.
class StageBuilder {
public:
    StageBuilder(BuildShared& shared, std::size_t index)
        : shared_(shared), index_(index), node_(shared.graph->stages[index]) {}

    Result<ImageState> build();

private:
    /// A step that makes a layer: looked up in the cache, else made.
    struct Step {
        int number = 0;
        std::string name = {};
        std::string history = {};
        Json key = {};
        /// Gets what the step must have to itself. True where somebody else had it, who may have
        /// carried out the same step.
        std::function<Result<bool>()> prepare = {};
        /// Makes upper/ in `folder`; returns how it is to be packed, nothing where no file changed.
        std::function<Result<std::optional<image::PackOptions>>(const std::string& folder)> make =
            {};
    };
    /// An open source of COPY or of a mount.
    struct OpenSource {
        std::optional<MergedRoot> merged = {};
        UniqueFd folder = {};
        const IgnoreFile* ignore = nullptr;
        bool keep_owners = false;
        const UniqueFd& root() const { return merged ? merged->root() : folder; }
        TreeSource tree() const { return {&root(), ignore, keep_owners}; }
    };
    /// A repository that ADD takes, as it is now.
    struct Repository {
        GitAddress address = {};
        std::string commit = {};
    };
    /// One source word of COPY or ADD, and what it chose.
    struct Chosen {
        std::optional<RemoteFile> remote = {};
        std::optional<Repository> repository = {};
        std::vector<Selection> selections = {};
        const Heredoc* heredoc = nullptr;
        std::string text = {};  ///< Of the here-document, expanded.
        bool archive = false;   ///< The remote file is to be unpacked.
    };
    struct CopyPlan {
        std::vector<Chosen> chosen = {};
        std::string destination = {};
        CopyAttributes attributes = {};
        bool parents = false;
        bool keep_git_dir = false;
    };

    Result<void> begin();
    Result<void> use_image(const std::string& name);
    Result<void> run_triggers(const Json& triggers);
    Result<void> apply(const Instruction& instruction);
    Result<void> apply_arg(const Instruction& instruction);
    Result<void> words_only(const Instruction& instruction);
    Result<void> carry_out(Step step, const SourcePos& where);
    std::optional<StepRecord> find_step(const Step& step, const std::string& key);
    std::string step_name(const Instruction& instruction) const;
    Result<std::vector<std::string>> layers() const {
        return shared_.cache.folders(state_.diff_ids);
    }
    Json parent_key(const char* kind) const;

    // run_step.cpp
    Result<void> apply_run(const Instruction& instruction);
    Result<std::vector<std::string>> run_command(const Instruction& instruction) const;
    std::vector<std::string> run_environment() const;
    struct RunSource;
    struct RunMounts;
    Result<void> add_mounts(const Instruction& instruction, RunRequest& request, RunMounts& mounts,
                            Json& key);
    Result<RunSource> mount_source(const RunMount& mount);
    Result<void> add_bind(const RunSource& bind, RunRequest& request);
    Result<void> lock_cache(const std::string& folder, const std::string& id, const Step& step,
                            RunMounts& mounts);
    Result<void> add_cache(const RunMount& mount, const std::string& target, const Step& step,
                           RunRequest& request, RunMounts& mounts);
    Result<void> make_cache(const RunMount& mount, const RunSource* first, const std::string& data);
    Result<void> add_caches(const Step& step, RunRequest& request, RunMounts& mounts);
    Result<void> add_secret(const RunMount& mount, RunRequest& request);
    Result<void> add_agent(const RunMount& mount, RunRequest& request);

    // copy_step.cpp
    Result<void> apply_copy(const Instruction& instruction);
    Result<void> apply_workdir(const Instruction& instruction);
    Result<OpenSource> open_source(const std::string& from);
    Result<CopyAttributes> copy_attributes(const Instruction& instruction);
    Result<CopyPlan> plan_copy(const Instruction& instruction, const OpenSource& source);
    Result<Chosen> choose(const Instruction& instruction, const OpenSource& source,
                          const Word& word, const SelectOptions& options, std::size_t& heredocs);
    Result<Json> contents_key(const CopyPlan& plan, const OpenSource& source) const;
    Result<void> write_copy(const CopyPlan& plan, const OpenSource& source, const UniqueFd& root);

    // add_step.cpp
    Result<bool> choose_remote(const Instruction& instruction, const std::string& place,
                               Chosen& chosen);
    Result<void> write_remote(const CopyPlan& plan, const Chosen& chosen, const UniqueFd& root,
                              const std::string& path);
    Result<void> write_repository(const CopyPlan& plan, const Repository& repository,
                                  const UniqueFd& root, const std::string& target);

    BuildShared& shared_;
    std::size_t index_;
    const StageNode& node_;
    ImageState state_;
    std::string created_;  ///< Of the newest layer.
    std::vector<std::shared_ptr<const Instruction>> triggers_;
    std::size_t position_ = 0;
    std::size_t count_ = 0;
};

/// The packing options that hold for every layer of a build.
image::PackOptions pack_options(const BuildRequest& request);

}  // namespace davit::builder
