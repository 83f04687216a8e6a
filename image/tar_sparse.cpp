#include "image/tar_sparse.h"

#include "base/strings.h"
#include "image/tar_number.h"

#include <fmt/format.h>

namespace davit::image {
namespace {

/// A file of more pieces is none that a person has made.
constexpr std::size_t kMostExtents = 1U << 20U;
constexpr std::size_t kLongestNumber = 20;

Error damaged_sparse(std::string_view why) {
    return Error(ErrorKind::InvalidInput,
                 fmt::format("the tar archive is damaged: a sparse file {}", why));
}

Result<std::int64_t> parse(std::string_view digits) {
    const auto number = parse_integer(digits);
    if (!number || *number < 0) return damaged_sparse("has a map with something that is no number");
    return *number;
}

Result<void> add(SparseMap& map, std::int64_t offset, std::int64_t size) {
    if (map.size() == kMostExtents) return damaged_sparse("has more than a million pieces");
    map.push_back({offset, size});
    return {};
}

Result<SparseMap> parse_map(const std::string& text) {
    SparseMap map;
    if (text.empty()) return map;
    const std::vector<std::string> numbers = split(text, ',');
    if (numbers.size() % 2 != 0) return damaged_sparse("has a map that is cut short");
    for (std::size_t i = 0; i < numbers.size(); i += 2) {
        const std::int64_t offset = TRY(parse(numbers[i]));
        const std::int64_t size = TRY(parse(numbers[i + 1]));
        TRY(add(map, offset, size));
    }
    return map;
}

}  // namespace

Result<std::vector<SparsePiece>> sparse_pieces(const SparseMap& map, std::int64_t size,
                                               std::int64_t stored) {
    std::vector<SparsePiece> pieces;
    std::int64_t at = 0;
    std::int64_t sum = 0;
    for (const SparseExtent& extent : map) {
        if (extent.offset < at || extent.offset > size || extent.size > size - extent.offset)
            return damaged_sparse("has a map that does not fit it");
        pieces.push_back({extent.offset - at, extent.size});
        at = extent.offset + extent.size;
        sum += extent.size;
    }
    if (sum != stored) return damaged_sparse("has a map of other bytes than it has");
    pieces.push_back({size - at, 0});
    return pieces;
}

Result<void> add_old_extents(std::string_view block, std::size_t offset, std::size_t count,
                             SparseMap& map) {
    constexpr std::size_t kField = kOldExtentSize / 2;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string_view extent = block.substr(offset + i * kOldExtentSize, kOldExtentSize);
        if (extent[kField] == '\0') return {};  // the list is not full
        const auto at = tar_number(extent.substr(0, kField));
        const auto size = tar_number(extent.substr(kField));
        if (!at || !size) return damaged_sparse("has a map with something that is no number");
        TRY(add(map, *at, *size));
    }
    return {};
}

Result<std::optional<PaxSparse>> pax_sparse(const std::map<std::string, std::string>& records) {
    const auto value = [&](const char* key) -> const std::string* {
        const auto found = records.find(std::string("GNU.sparse.") + key);
        return found == records.end() ? nullptr : &found->second;
    };
    const std::string* const major = value("major");
    const std::string* const minor = value("minor");
    const std::string* const map = value("map");
    if (major == nullptr && map == nullptr) return std::optional<PaxSparse>();
    const bool newest = major != nullptr && *major == "1" && minor != nullptr && *minor == "0";
    const bool older = major == nullptr || *major == "0";
    if (!newest && !older)
        return Error(ErrorKind::Unsupported,
                     fmt::format("a sparse file of the form {}.{}, which nobody knows",
                                 printable(*major), minor == nullptr ? "" : printable(*minor)));
    PaxSparse sparse;
    if (const std::string* name = value("name")) sparse.name = *name;
    const std::string* size = value("realsize");
    if (size == nullptr) size = value("size");
    if (size == nullptr) return damaged_sparse("has no size");
    sparse.size = TRY(parse(*size));
    if (newest) return std::optional<PaxSparse>(std::move(sparse));
    if (map == nullptr) return damaged_sparse("has no map");
    sparse.map = TRY(parse_map(*map));
    return std::optional<PaxSparse>(std::move(sparse));
}

void add_sparse_number(std::map<std::string, std::string>& records, std::string_view value) {
    std::string& map = records["GNU.sparse.map"];
    if (!map.empty()) map += ',';
    map += value;
}

Result<void> SparseMapReader::number(std::int64_t value) {
    if (extents_left_ < 0) {
        if (value > static_cast<std::int64_t>(kMostExtents))
            return damaged_sparse("has more than a million pieces");
        extents_left_ = value;
    } else if (!offset_) {
        offset_ = value;
    } else {
        TRY(add(map_, *offset_, value));
        offset_.reset();
        --extents_left_;
    }
    return {};
}

Result<bool> SparseMapReader::take(std::string_view block) {
    for (const char c : block) {
        if (extents_left_ == 0) return true;  // zeros up to the next block
        if (c != '\n') {
            digits_ += c;
            if (digits_.size() > kLongestNumber)
                return damaged_sparse("has a map with something that is no number");
            continue;
        }
        const std::int64_t value = TRY(parse(digits_));
        digits_.clear();
        TRY(number(value));
    }
    return extents_left_ == 0;
}

}  // namespace davit::image
