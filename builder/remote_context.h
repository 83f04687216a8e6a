#pragma once

#include "base/result.h"
#include "base/source.h"
#include "builder/git_source.h"

#include <memory>
#include <string>

namespace davit::builder {

/// Whether a build context is an address, and no folder of this host.
bool is_remote_context(const std::string& place);

/// A build context that was brought here: a folder of davit's own that goes with this object.
class FetchedContext {
public:
    virtual ~FetchedContext() = default;
    /// Absolute.
    std::string folder = {};
    /// The address was that of a Dockerfile, with nothing beside it; else null.
    std::shared_ptr<const SourceFile> dockerfile = {};
};

/// Brings a context here: a repository (`address` as in git_source.h), an archive behind http or
/// https, or a Dockerfile alone; "-" is standard input, which is one of the latter two.
/// @errors as resolve_commit and look_at_url; InvalidInput where what it names is no folder
Result<std::shared_ptr<const FetchedContext>> fetch_context(const std::string& data_root,
                                                            const std::string& address,
                                                            const GitOptions& options);

/// The Dockerfile `path` of a fetched context. Links are followed inside of the context alone:
/// whoever wrote it may not show files of this host. @errors NotFound
Result<std::shared_ptr<const SourceFile>> read_source_in(const std::string& folder,
                                                         const std::string& path);

/// As find_ignore_file, of a fetched context.
Result<std::shared_ptr<const SourceFile>> find_ignore_file_in(const std::string& folder,
                                                              const std::string& dockerfile);

}  // namespace davit::builder
