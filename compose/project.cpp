#include "compose/project.h"

namespace davit::compose {

SourcePos SourceMap::find(std::string path) const {
    for (;;) {
        if (const auto found = places_.find(path); found != places_.end()) return found->second;
        const std::size_t cut = path.find_last_of(".[");
        if (cut == std::string::npos) return {};
        path.resize(cut);
    }
}

}  // namespace davit::compose
