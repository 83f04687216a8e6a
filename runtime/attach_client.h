#pragma once

#include "base/result.h"

#include <memory>
#include <string>

namespace davit::runtime {

/// How a terminal or program of the user's is connected with a container.
struct AttachOptions {
    bool input = true;         ///< Standard input goes to the program, where it takes any.
    bool all_output = false;   ///< Rather make the container wait than lose output.
    bool pass_signals = true;  ///< SIGINT and its like go to the program.
    std::string detach_keys = "ctrl-p,ctrl-q";  ///< Empty: none.
};

/// A connection to a container's streams, from `open` to its end.
class Attachment {
public:
    /// Connects; from here on no output is missed. Works before the container is started.
    /// @errors NotFound where no guard listens; InvalidInput for keys that are none
    static Result<Attachment> open(const std::string& run_dir, AttachOptions options);

    Attachment(Attachment&&) noexcept;
    Attachment& operator=(Attachment&&) noexcept;
    ~Attachment();

    struct End {
        bool detached = false;  ///< By the keys: the container goes on.
        bool lost = false;      ///< The guard ended without a word.
        int exit_code = 0;
    };
    /// Copies between the container and the standard streams until the run ends, the user detaches
    /// or the guard is gone.
    Result<End> run();

    /// Whether the container has a terminal.
    bool has_terminal() const;

private:
    struct Inside;
    explicit Attachment(std::unique_ptr<Inside> inside);
    std::unique_ptr<Inside> inside_;
};

/// Keys such as "ctrl-p,ctrl-q" or "a,ctrl-]" as the bytes that a terminal sends. Pure.
/// @errors InvalidInput @source moby/term ascii.go ToBytes
Result<std::string> key_bytes(const std::string& keys);

}  // namespace davit::runtime
