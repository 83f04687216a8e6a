#pragma once

#include "base/json.h"
#include "base/result.h"
#include "builder/dockerfile.h"
#include "builder/expand.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace davit::builder {

/// What a stage has become so far: its layers and the words of its image. A value: a stage that
/// begins with another one takes a copy.
struct ImageState {
    std::vector<std::string> diff_ids = {};  ///< Bottom first; 64 hex digits each.
    /// The image's configuration as OCI has it, without rootfs and times.
    Json config = {{"architecture", ""}, {"os", "linux"}, {"config", Json::object()}};
    Json history = Json::array();
    /// ARGs with a value that no later ENV has set again. The one of the two that came last counts
    /// for the stage; the image's configuration has ENV alone. @source BuildKit, dispatchArg
    std::map<std::string, std::string> args = {};
    bool has_cmd = false;  ///< CMD stands in this stage.

    const Json& words() const { return config["config"]; }
    std::vector<std::string> env() const;
    std::vector<std::string> shell() const;
    std::string word(const char* key) const { return string_or(words(), key); }

    /// A variable as the Dockerfile sees it: of ENV and ARG the one that came last.
    std::optional<std::string> variable(const std::string& name) const;
    /// What a RUN finds in its environment: every such variable, as NAME=value.
    std::vector<std::string> variables() const;
    /// How words of `instruction` are expanded here.
    ExpandOptions expansion(const Instruction& instruction) const;
    /// Puts what steps add to in its place, where the configuration of a base image, which may be
    /// anybody's, has nothing or something else there. Takes the history out of it.
    void make_fillable();
    /// One more line of the history. `empty`: it made no layer.
    void add_history(const std::string& created_by, bool empty);
};

/// Applies an instruction that changes words alone: ENV, LABEL, EXPOSE, USER, VOLUME, CMD,
/// ENTRYPOINT, HEALTHCHECK, STOPSIGNAL, SHELL, ONBUILD, MAINTAINER, and what WORKDIR says.
/// @errors InvalidInput, with the place
Result<void> apply_words(const Instruction& instruction, ImageState& state);

/// `text` relative to the working folder of `state`, absolute and clean, a '/' at its end kept.
std::string absolute_path(const ImageState& state, const std::string& text);

/// `words` as they stand in the file, expanded one by one. @errors InvalidInput, with the place
Result<std::vector<std::string>> expand_all(const Instruction& instruction,
                                            const std::vector<Word>& words,
                                            const ImageState& state);

}  // namespace davit::builder
