#pragma once

#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

namespace davit::testing {

/// Writes tar archives with anything in them, good or bad.
class TarWriter {
public:
    struct Entry {
        std::string path = {};
        char type = '0';  ///< As in the header: '0' file, '1' hard link, '2' link, '5' folder, …
        std::string content = {};
        std::string link = {};
        unsigned mode = 0644;
        unsigned uid = 0;
        unsigned gid = 0;
        long mtime = 1700000000;
        std::map<std::string, std::string> pax = {};
        std::string size_field = {};  ///< Overrides the 12 bytes of the size.
        unsigned major = 0;
        unsigned minor = 0;
        /// Bytes that the header has from an offset on, whatever stood there before: {{257, "ustar
        /// "}}.
        std::map<std::size_t, std::string> raw = {};
    };

    TarWriter& add(const Entry& entry) {
        if (!entry.pax.empty()) {
            std::string records;
            for (const auto& [key, value] : entry.pax) records += pax_record(key, value);
            block({.path = "pax", .type = 'x', .content = records});
        }
        block(entry);
        return *this;
    }
    TarWriter& file(const std::string& path, const std::string& content) {
        return add({.path = path, .content = content});
    }
    TarWriter& folder(const std::string& path) {
        return add({.path = path, .type = '5', .mode = 0755});
    }

    /// Bytes that are no entry: blocks that continue a header, garbage.
    TarWriter& bytes(const std::string& text) {
        text_ += text;
        return *this;
    }

    std::string finish() const { return text_ + std::string(1024, '\0'); }
    /// Without the two empty blocks at the end.
    const std::string& unfinished() const { return text_; }

private:
    static std::string pax_record(const std::string& key, const std::string& value) {
        const std::string rest = " " + key + "=" + value + "\n";
        std::size_t length = rest.size() + 1;
        while (std::to_string(length).size() + rest.size() != length) ++length;
        return std::to_string(length) + rest;
    }

    void block(const Entry& entry) {
        std::array<char, 512> header{};
        const auto put = [&](std::size_t at, std::size_t size, const std::string& value) {
            std::memcpy(header.data() + at, value.data(), std::min(size, value.size()));
        };
        const auto octal = [](unsigned long value, int width) {
            std::array<char, 32> digits{};
            std::snprintf(digits.data(), digits.size(), "%0*lo", width, value);
            return std::string(digits.data());
        };
        put(0, 100, entry.path);
        put(100, 8, octal(entry.mode, 7));
        put(108, 8, octal(entry.uid, 7));
        put(116, 8, octal(entry.gid, 7));
        put(124, 12, entry.size_field.empty() ? octal(entry.content.size(), 11) : entry.size_field);
        put(136, 12, octal(static_cast<unsigned long>(entry.mtime), 11));
        header[156] = entry.type;
        put(157, 100, entry.link);
        put(257, 6, std::string("ustar\0", 6));
        put(263, 2, "00");
        put(329, 8, octal(entry.major, 7));
        put(337, 8, octal(entry.minor, 7));
        for (const auto& [at, bytes] : entry.raw) put(at, bytes.size(), bytes);
        put(148, 8, "        ");
        unsigned long sum = 0;
        for (const char c : header) sum += static_cast<unsigned char>(c);
        put(148, 8, octal(sum, 6) + std::string("\0 ", 2));
        text_.append(header.data(), header.size());
        text_ += entry.content;
        text_.append((512 - entry.content.size() % 512) % 512, '\0');
    }

    std::string text_;
};

}  // namespace davit::testing
