#include "fuzz/fuzz.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

// Runs a target without libFuzzer: fuzz_TARGET FILE-OR-FOLDER... replays the files, then mutations
// of them, the same ones in every run, until a second is over. DAVIT_FUZZ_MS is another time.
namespace {

constexpr std::size_t kMostMutations = 20'000;
constexpr std::size_t kLongest = 4096;

std::string current;  // what is printed where the target crashes

void write_error(std::string_view text) { (void)!::write(STDERR_FILENO, text.data(), text.size()); }

/// Prints the input in hex, with nothing but write(2), and dies the way that was begun.
void on_crash(int signal) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    write_error("fuzz: crash with this input, in hex (xxd -r -p):\n");
    for (const char c : current) {
        const auto byte = static_cast<unsigned char>(c);
        const std::array<char, 2> pair = {kDigits[byte >> 4U], kDigits[byte & 15U]};
        write_error({pair.data(), pair.size()});
    }
    write_error("\n");
    (void)std::signal(signal, SIG_DFL);
    (void)::raise(signal);
}

void run(const std::string& input) {
    current = input;
    // A copy of exactly its size, so that reading behind it is seen.
    const std::vector<std::uint8_t> bytes(input.begin(), input.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::vector<std::string> read_seeds(int count, char** paths) {
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < count; ++i) {
        if (!std::filesystem::is_directory(paths[i])) {
            files.emplace_back(paths[i]);
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(paths[i]))
            if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<std::string> seeds;
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(stream),
                           std::istreambuf_iterator<char>());
    }
    return seeds;
}

class Mutator {
public:
    explicit Mutator(const std::vector<std::string>& seeds) : seeds_(seeds) {}

    std::string next() {
        std::string text = seed();
        for (std::size_t left = 1 + below(4); left > 0; --left) change(text);
        text.resize(std::min(text.size(), kLongest));
        return text;
    }

private:
    // Not uniform_int_distribution, which differs between libraries.
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }
    const std::string& seed() { return seeds_[below(seeds_.size())]; }
    std::string part(const std::string& text) {
        const std::size_t start = below(text.size() + 1);
        return text.substr(start, 1 + below(16));
    }

    void change(std::string& text) {
        constexpr std::array<std::string_view, 24> kWords = {
            ":", "-", "$", "${", "}", "\"", "'",  "\n",   "&a ", "*a", "<<: ", "!reset ",
            "[", "]", "{", "0",  ",", "#",  "\\", "\xff", "/",   "..", "\r",   "65536"};
        const std::size_t at = below(text.size() + 1);
        switch (below(6)) {
            case 0:
                if (at < text.size()) text[at] = static_cast<char>(random_());
                break;
            case 1: text.insert(at, kWords[below(kWords.size())]); break;
            case 2: text.erase(at, 1 + below(8)); break;
            case 3: text.insert(at, part(text)); break;
            case 4: text.insert(at, part(seed())); break;
            default: text.resize(at); break;
        }
    }

    const std::vector<std::string>& seeds_;
    std::mt19937_64 random_{20260101};
};

}  // namespace

int main(int count, char** paths) {
    for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL})
        (void)std::signal(signal, on_crash);
    const std::vector<std::string> seeds = read_seeds(count, paths);
    if (seeds.empty()) {
        std::fprintf(stderr, "usage: %s SEED-FILE-OR-FOLDER...\n", paths[0]);
        return 64;
    }
    for (const std::string& seed : seeds) run(seed);

    const char* time = std::getenv("DAVIT_FUZZ_MS");  // NOLINT(concurrency-mt-unsafe)
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(time != nullptr ? std::atol(time) : 1000);
    Mutator mutator(seeds);
    std::size_t done = 0;
    for (; done < kMostMutations && std::chrono::steady_clock::now() < end; ++done)
        run(mutator.next());
    std::printf("%zu seeds, %zu mutations\n", seeds.size(), done);
    return 0;
}
