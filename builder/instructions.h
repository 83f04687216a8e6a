#pragma once

#include "builder/dockerfile.h"
#include "builder/line_reader.h"

#include <optional>

namespace davit::builder {

/// Reads the instruction in `line` with its here-documents, which are the next lines of `reader`.
/// Nothing where it can't be used; then `diagnostics` says why.
std::optional<Instruction> read_instruction(const Line& line, LineReader& reader,
                                            Diagnostics& diagnostics);

/// Checks the flags of an instruction: whether it has them, and whether their values make sense.
void check_flags(const Instruction& instruction, Diagnostics& diagnostics);

}  // namespace davit::builder
