#include "image/tar_reader.h"

#include "base/strings.h"
#include "image/base64.h"
#include "image/tar_number.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <utility>
#include <vector>

namespace davit::image {
namespace {

constexpr std::size_t kBlock = 512;
/// Of names and pax records: more is not a name but an attack on memory.
constexpr std::int64_t kLongestText = 1 << 20;
/// Of what global headers say, which every entry is given.
constexpr std::size_t kLongestGlobal = 64U << 10U;
/// No name in a file system is longer.
constexpr std::size_t kLongestPath = 4096;
constexpr long long kLatestTime = 100'000'000'000;

/// The header block as it stands in the archive.
struct Header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char rest[12];
};
static_assert(sizeof(Header) == kBlock);

Error damaged(std::string_view why) {
    return Error(ErrorKind::InvalidInput, fmt::format("the tar archive is damaged: {}", why));
}

template <std::size_t Size>
std::string_view text_of(const char (&field)[Size]) {
    return {field, ::strnlen(field, Size)};
}

template <std::size_t Size>
std::optional<std::int64_t> number_of(const char (&field)[Size]) {
    return tar_number({field, Size});
}

bool checksum_fits(const char* block) {
    Header header{};
    std::memcpy(&header, block, kBlock);
    const auto wanted = number_of(header.checksum);
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
        const bool own = i >= offsetof(Header, checksum) && i < offsetof(Header, type);
        sum += own ? ' ' : static_cast<unsigned char>(block[i]);
    }
    return wanted && *wanted == sum;
}

/// "23 path=some/name\n" records. @source POSIX pax "pax Extended Header"
Result<std::map<std::string, std::string>> parse_pax(std::string_view text) {
    std::map<std::string, std::string> records;
    while (!text.empty() && text.front() != '\0') {
        std::size_t length = 0;
        const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), length);
        const auto digits = static_cast<std::size_t>(end - text.data());
        if (code != std::errc() || length > text.size() || length < digits + 3 ||
            text[digits] != ' ' || text[length - 1] != '\n')
            return damaged("a pax record is malformed");
        const std::string_view record = text.substr(digits + 1, length - digits - 2);
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos) return damaged("a pax record has no '='");
        const std::string_view key = record.substr(0, equals);
        if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes")
            add_sparse_number(records, record.substr(equals + 1));
        else
            records[std::string(key)] = record.substr(equals + 1);
        text.remove_prefix(length);
    }
    return records;
}

/// "1700000000.123456789": exact, which a double is not.
Result<timespec> parse_pax_time(const std::string& text) {
    const std::size_t point = text.find('.');
    const std::string fraction = point == std::string::npos ? "" : text.substr(point + 1);
    const auto seconds = parse_integer(std::string_view(text).substr(0, point));
    if (!seconds || fraction.find_first_not_of("0123456789") != std::string::npos)
        return damaged(fmt::format("'{}' is not a time", printable(text)));
    timespec time{};
    // Times before 1970 or after what the kernel takes are brought into its range.
    time.tv_sec = static_cast<std::time_t>(std::clamp(*seconds, 0LL, kLatestTime));
    if (text.starts_with('-')) return time;
    constexpr std::size_t kDigits = 9;
    for (std::size_t i = 0; i < kDigits; ++i)
        time.tv_nsec = time.tv_nsec * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
    return time;
}

Result<std::int64_t> parse_pax_number(const std::string& text) {
    const auto number = parse_integer(text);
    if (!number || *number < 0)
        return damaged(fmt::format("'{}' is not a size or id", printable(text)));
    return *number;
}

Result<TarType> type_of(char type, const std::string& path) {
    switch (type) {
        case '0':
        case '7':
        case 'S':
        case '\0': return path.ends_with('/') ? TarType::Directory : TarType::Regular;
        case '1': return TarType::HardLink;
        case '2': return TarType::SymLink;
        case '3': return TarType::CharDevice;
        case '4': return TarType::BlockDevice;
        case '5': return TarType::Directory;
        case '6': return TarType::Fifo;
        default: break;
    }
    return Error(ErrorKind::Unsupported,
                 fmt::format("'{}' has the unknown type '{}'", printable(path),
                             printable(std::string_view(&type, 1))));
}

Result<std::uint32_t> id_of(std::optional<std::int64_t> number) {
    // The largest number is no id: chown(2) takes it for "leave it as it is".
    if (!number || *number >= 0xffffffffLL) return damaged("an owner's id is out of range");
    return static_cast<std::uint32_t>(*number);
}

Result<std::uint32_t> parse_pax_id(const std::string& text) {
    const std::int64_t number = TRY(parse_pax_number(text));
    return id_of(number);
}

Result<TarEntry> decode(const Header& header, std::string long_name, std::string long_link) {
    TarEntry entry;
    entry.path = std::move(long_name);
    if (entry.path.empty()) {
        entry.path = text_of(header.name);
        const bool ustar = std::string_view(header.magic, 6) == std::string_view("ustar\0", 6);
        if (ustar && header.prefix[0] != '\0')
            entry.path = std::string(text_of(header.prefix)) + "/" + entry.path;
    }
    entry.link = long_link.empty() ? std::string(text_of(header.link)) : std::move(long_link);
    const auto size = number_of(header.size);
    const auto mode = number_of(header.mode);
    if (!size || !mode)
        return damaged(fmt::format("the numbers of '{}' are malformed", printable(entry.path)));
    entry.size = *size;
    entry.mode = static_cast<mode_t>(*mode) & 07777U;
    entry.uid = TRY(id_of(number_of(header.uid)));
    entry.gid = TRY(id_of(number_of(header.gid)));
    entry.mtime.tv_sec = static_cast<std::time_t>(number_of(header.mtime).value_or(0));
    entry.major = static_cast<unsigned>(number_of(header.major).value_or(0));
    entry.minor = static_cast<unsigned>(number_of(header.minor).value_or(0));
    return entry;
}

constexpr std::string_view kXattr = "SCHILY.xattr.";
constexpr std::string_view kLibarchiveXattr = "LIBARCHIVE.xattr.";

/// Whether `apply_pax` has a use for a record.
bool is_heeded(const std::string& key) {
    return key == "path" || key == "linkpath" || key == "size" || key == "uid" || key == "gid" ||
           key == "mtime" || key.starts_with(kXattr) || key.starts_with(kLibarchiveXattr);
}

/// "user.%3Dx" as it is meant. @source libarchive archive_write_set_format_pax.c, url_encode
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        const char* const digits = text.data() + i + 1;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
            plain += static_cast<char>(value);
            i += 2;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

/// An attribute in the form of libarchive (bsdtar), which gives each in that of star as well:
/// that one goes first. @source libarchive archive_read_support_format_tar.c, pax_attribute
Result<void> add_libarchive_xattr(std::string_view name, const std::string& value,
                                  TarEntry& entry) {
    const std::optional<std::string> bytes = from_base64(value);
    if (!bytes) return damaged(fmt::format("attribute '{}' is not base64", printable(name)));
    entry.xattrs.emplace(unescaped(name), *bytes);
    return {};
}

Result<void> apply_pax(const std::map<std::string, std::string>& records, TarEntry& entry) {
    for (const auto& [key, value] : records) {
        // An empty value means what the header says. @source POSIX pax
        if (value.empty() && !key.starts_with(kXattr)) continue;
        if (key == "path")
            entry.path = value;
        else if (key == "linkpath")
            entry.link = value;
        else if (key == "size")
            entry.size = TRY(parse_pax_number(value));
        else if (key == "uid")
            entry.uid = TRY(parse_pax_id(value));
        else if (key == "gid")
            entry.gid = TRY(parse_pax_id(value));
        else if (key == "mtime")
            entry.mtime = TRY(parse_pax_time(value));
        else if (key.starts_with(kXattr))
            entry.xattrs[key.substr(kXattr.size())] = value;
    }
    for (const auto& [key, value] : records)
        if (key.starts_with(kLibarchiveXattr))
            TRY(add_libarchive_xattr(std::string_view(key).substr(kLibarchiveXattr.size()), value,
                                     entry));
    return {};
}

}  // namespace

std::optional<std::int64_t> tar_number(std::string_view field) {
    const auto first = static_cast<unsigned char>(field[0]);
    if ((first & 0x80U) != 0) {
        if ((first & 0x40U) != 0) return std::nullopt;  // negative
        std::uint64_t value = first & 0x3fU;
        for (const char c : field.substr(1)) {
            if (value >> 54U != 0) return std::nullopt;
            value = value << 8U | static_cast<unsigned char>(c);
        }
        return static_cast<std::int64_t>(value);
    }
    const std::string_view digits = trim(field.substr(0, field.find('\0')));
    if (digits.empty()) return 0;
    std::int64_t value = 0;
    const auto [end, code] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    if (code != std::errc() || end != digits.data() + digits.size() || value < 0)
        return std::nullopt;
    return value;
}

Result<void> TarReader::read_exactly(char* buffer, std::size_t size) {
    while (size > 0) {
        const std::size_t got = TRY(source_.read(buffer, size));
        if (got == 0) return damaged("it is cut short");
        buffer += got;
        size -= got;
    }
    return {};
}

/// False at a clean end of the stream.
Result<bool> TarReader::read_block(char* block) {
    const std::size_t got = TRY(source_.read(block, kBlock));
    if (got == 0) return false;
    TRY(read_exactly(block + got, kBlock - got));
    return true;
}

Result<void> TarReader::skip(std::int64_t size) {
    if (TRY(source_.skip(size)) < size) return damaged("it is cut short");
    return {};
}

Result<std::string> TarReader::read_text(std::int64_t size) {
    if (size > kLongestText) return damaged("a name or header is longer than 1 MiB");
    std::string text(static_cast<std::size_t>(size), '\0');
    TRY(read_exactly(text.data(), text.size()));
    const std::int64_t block = static_cast<std::int64_t>(kBlock);
    TRY(skip((block - size % block) % block));
    return text;
}

Result<std::optional<TarEntry>> TarReader::next() {
    TRY(skip(left_));
    TRY(skip(padding_));
    left_ = 0;
    padding_ = 0;
    std::string long_name;
    std::string long_link;
    PaxRecords pax;
    char block[kBlock];
    for (;;) {
        if (!TRY(read_block(block))) return std::optional<TarEntry>();
        if (std::all_of(block, block + kBlock, [](char c) { return c == '\0'; }))
            return std::optional<TarEntry>();  // the end; what follows is padding
        if (!checksum_fits(block)) return damaged("the checksum of a header is wrong");
        Header header{};
        std::memcpy(&header, block, kBlock);
        const auto size = number_of(header.size);
        if (!size) return damaged("the size of an entry is negative or too large");
        const auto until_nul = [](const std::string& text) {
            return text.substr(0, text.find('\0'));
        };
        if (header.type == 'L') {
            long_name = until_nul(TRY(read_text(*size)));
        } else if (header.type == 'K') {
            long_link = until_nul(TRY(read_text(*size)));
        } else if (header.type == 'x') {
            const std::string text = TRY(read_text(*size));
            pax = TRY(parse_pax(text));
        } else if (header.type == 'g') {
            const std::string text = TRY(read_text(*size));
            const PaxRecords more = TRY(parse_pax(text));
            std::size_t total = 0;
            for (const auto& [key, value] : more)
                if (is_heeded(key)) global_[key] = value;
            for (const auto& [key, value] : global_) total += key.size() + value.size();
            if (total > kLongestGlobal) return damaged("its global headers are longer than 64 KiB");
        } else {
            TarEntry entry = TRY(decode(header, long_name, long_link));
            PaxRecords all = global_;
            for (const auto& [key, value] : pax) all[key] = value;
            TRY(apply_pax(all, entry));
            entry.type = TRY(type_of(header.type, entry.path));
            if (entry.path.find('\0') != std::string::npos ||
                entry.link.find('\0') != std::string::npos)
                return damaged("a name has a NUL in it");
            if (entry.path.size() > kLongestPath || entry.link.size() > kLongestPath)
                return damaged(fmt::format("the name '{}…' is longer than {} bytes",
                                           printable(entry.path.substr(0, 60)), kLongestPath));
            TRY(begin_content(entry, block, pax));
            return std::optional<TarEntry>(std::move(entry));
        }
    }
}

/// Makes ready for `read`, and gives a sparse file the size that it has.
Result<void> TarReader::begin_content(TarEntry& entry, const char* block, const PaxRecords& pax) {
    // Only regular files have content; a size elsewhere is what some writers leave there.
    if (entry.type != TarType::Regular) entry.size = 0;
    const bool old_sparse = block[offsetof(Header, type)] == 'S';
    SparseMap map;
    // Blocks of the map follow the header, before the content, and no size counts them.
    std::int64_t old_size = 0;
    if (old_sparse) old_size = TRY(read_old_map(block, map));
    const std::int64_t unit = static_cast<std::int64_t>(kBlock);
    left_ = entry.size;
    padding_ = (unit - left_ % unit) % unit;
    piece_ = 0;
    pieces_ = {{0, left_}};
    if (entry.type != TarType::Regular) return {};
    std::optional<PaxSparse> sparse = TRY(pax_sparse(pax));
    if (!sparse && !old_sparse) return {};
    if (!sparse) sparse = PaxSparse{"", old_size, std::move(map)};
    if (!sparse->map) sparse->map = TRY(read_newest_map());
    if (!sparse->name.empty()) entry.path = sparse->name;
    entry.size = sparse->size;
    pieces_ = TRY_DOING(sparse_pieces(*sparse->map, sparse->size, left_), "read '{}'",
                        printable(entry.path));
    return {};
}

/// The map of the old form: some of it in the header, the rest in blocks that follow. Returns the
/// size of the file. @source GNU tar tar.h, struct oldgnu_header, struct sparse_header
Result<std::int64_t> TarReader::read_old_map(const char* header, SparseMap& map) {
    constexpr std::size_t kExtents = 386;
    constexpr std::size_t kContinues = kExtents + kOldExtentsInHeader * kOldExtentSize;
    const std::string_view text(header, kBlock);
    const auto size = tar_number(text.substr(kContinues + 1, 12));
    if (!size) return damaged("the size of a sparse file is no number");
    TRY(add_old_extents(text, kExtents, kOldExtentsInHeader, map));
    bool more = header[kContinues] != '\0';
    char block[kBlock];
    while (more) {
        TRY(read_exactly(block, kBlock));
        TRY(add_old_extents({block, kBlock}, 0, kOldExtentsInBlock, map));
        more = block[kOldExtentsInBlock * kOldExtentSize] != '\0';
    }
    return *size;
}

/// The map of pax format 1.0: it stands where the content begins.
Result<SparseMap> TarReader::read_newest_map() {
    SparseMapReader reader;
    char block[kBlock];
    for (bool ended = false; !ended;) {
        if (left_ < static_cast<std::int64_t>(kBlock))
            return damaged("the map of a sparse file is cut short");
        TRY(read_exactly(block, kBlock));
        left_ -= static_cast<std::int64_t>(kBlock);
        ended = TRY(reader.take({block, kBlock}));
    }
    return std::move(reader).map();
}

bool TarReader::in_one_piece() const {
    return pieces_.size() == 1 && pieces_[0].hole == 0 && pieces_[0].data == left_;
}

std::int64_t TarReader::pass_hole() {
    while (piece_ < pieces_.size() && pieces_[piece_].hole == 0 && pieces_[piece_].data == 0)
        ++piece_;
    return piece_ == pieces_.size() ? 0 : std::exchange(pieces_[piece_].hole, 0);
}

Result<std::size_t> TarReader::read(char* buffer, std::size_t size) {
    const auto most = static_cast<std::int64_t>(size);
    for (; piece_ < pieces_.size(); ++piece_) {
        SparsePiece& piece = pieces_[piece_];
        if (piece.hole > 0) {
            const std::int64_t zeros = std::min(piece.hole, most);
            std::fill_n(buffer, zeros, '\0');
            piece.hole -= zeros;
            return static_cast<std::size_t>(zeros);
        }
        if (piece.data == 0) continue;
        const auto wanted = static_cast<std::size_t>(std::min(piece.data, most));
        const std::size_t got = TRY(source_.read(buffer, wanted));
        if (got == 0) return damaged("it is cut short");
        piece.data -= static_cast<std::int64_t>(got);
        left_ -= static_cast<std::int64_t>(got);
        return got;
    }
    return std::size_t{0};
}

}  // namespace davit::image
