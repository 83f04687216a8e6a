#pragma once

#include "base/diagnostic.h"
#include "base/result.h"
#include "compose/interpolate.h"
#include "compose/loader.h"
#include "compose/locate.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace davit::compose {

/// Environments that services of included files have of their own, by the name of the service.
using ServiceEnvironments = std::map<std::string, std::shared_ptr<const Variables>>;

/// Files that are read together: those of the project, or those of one `include`.
struct SourceSet {
    std::vector<ComposeFile> files = {};
    std::string directory = {};  ///< Absolute; relative paths of all files stand below it.
    std::shared_ptr<const Variables> environment = {};
};

/// The documents of a set of files; nothing where one of them can't be read.
std::optional<std::vector<std::vector<Node>>> read_documents(const std::vector<ComposeFile>& files,
                                                             Diagnostics& diagnostics);

/// Longer files are refused: none that somebody wrote as a Compose file is. In bytes.
inline constexpr std::size_t kLongestFile = 64U << 20U;

/// As read_file, but for what is named inside of a file: a FIFO or device there is refused, since
/// it would be waited for without end.
Result<std::string> read_regular_file(const std::string& path, std::size_t limit);

/// Reads files into one canonical document: interpolated, `extends` and `include` carried out,
/// merged.
class ModelLoader {
public:
    ModelLoader(const LoadOptions& options, Diagnostics& diagnostics)
        : options_(options), diagnostics_(diagnostics) {}

    /// Merges the documents of `set`, which were read already, in their order.
    Node merge(const SourceSet& set, std::vector<std::vector<Node>> documents);
    /// Lays one more document over what was merged; one about a service that `model` lacks not.
    void lay_over(Node& model, const Overlay& overlay, const SourceSet& set);
    const ServiceEnvironments& environments() const { return environments_; }

    /// One document of a file in canonical form, alone.
    void make_canonical(Node& document, const std::string& directory, const Variables& environment);
    /// The two halves of it, the second for one service alone.
    void interpolate(Node& document, const Variables& environment);
    void make_service_canonical(Node& service, const std::string& directory,
                                const Variables& environment);

private:
    void include(Node& document, const SourceSet& set);
    void include_one(Node& document, const Node& item, const SourceSet& set);
    std::optional<SourceSet> included_set(const Node& item, const SourceSet& set);
    std::shared_ptr<const Variables> included_environment(const Node& item, const SourceSet& set,
                                                          const std::string& directory);
    void import(Node& document, Node included, const Node& item);

    const LoadOptions& options_;
    Diagnostics& diagnostics_;
    ServiceEnvironments environments_;
    std::size_t includes_ = 0;
    std::vector<std::string> included_;  ///< The files whose includes are being followed.
};

/// Carries out the `extends` of all services of one document. `directory` is where relative names
/// of files stand. @source Compose spec 05-services.md#extends; compose-go loader/extends.go
void apply_extends(ModelLoader& loader, Node& document, const std::string& directory,
                   const Variables& environment, Diagnostics& diagnostics);

/// The tag of a dependency that follows from another attribute.
inline constexpr const char* kImplied = "implied";

/// Makes explicit what a file leaves out: the default network, dependencies that follow from other
/// attributes, names of resources. @source compose-go loader/normalize.go
void normalize_model(Node& model, const std::string& project, const Variables& environment);

/// Defaults of single mappings; `directory` is the context of a build that names none.
/// @source compose-go transform/defaults.go
void set_defaults(Node& model, const std::string& directory);

/// Which services take part. @source Compose spec 15-profiles.md
struct Selection {
    std::vector<std::string> profiles = {};  ///< "*": all.
    std::vector<std::string> services = {};  ///< Asked for by name; empty: all that are on.
    bool with_dependencies = true;
};

/// Takes the services that are off out of the model; they come back.
std::map<std::string, Node> select_services(Node& model, const Selection& selection,
                                            Diagnostics& diagnostics);

/// Reads `env_file` and `label_file` of all services into `environment` and `labels`.
/// @source compose-go types/project.go
void resolve_env_files(Node& model, const ServiceEnvironments& own, const Variables& environment,
                       Diagnostics& diagnostics);

/// What can be judged only of the whole: references, cycles, contradictions.
/// @source compose-go loader/validate.go, validation/
void check_consistency(const Node& model, const std::map<std::string, Node>& disabled,
                       Diagnostics& diagnostics);

/// Takes out dependencies that need not be there and aren't.
void drop_absent_dependencies(Node& model);

/// Takes out networks, volumes, configs, secrets and models that no service uses.
void drop_unused(Node& model);

/// Warns of each attribute that means nothing here.
void warn_of_ignored(const Node& model, Diagnostics& diagnostics);
/// Refuses each attribute that davit doesn't carry out yet.
void refuse_unsupported(const Node& model, Diagnostics& diagnostics);

/// Whether two values say the same; places don't count, nor does the order of keys.
bool same_value(const Node& one, const Node& other);

}  // namespace davit::compose
