#include "tests/support/fake_registry.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/strings.h"

#include <doctest/doctest.h>
#include <poll.h>

namespace davit::testing {

FakeRegistry::FakeRegistry(const std::string& pem, const std::string& versions) {
    for (const char* folder : {"manifests", "blobs"})
        REQUIRE(make_directories(dir_ / folder, 0755).ok());
    std::vector<std::string> argv = {"python3", DAVIT_SOURCE_DIR "/tests/support/fault_registry.py",
                                     dir_.path()};
    for (const std::string& word : {pem, versions})
        if (!word.empty()) argv.push_back(word);
    server_ = std::make_unique<Background>(Command{.argv = argv}, dir_ / "server.out");
    for (int i = 0; i < 1000 && !exists(dir_ / "port"); ++i) ::poll(nullptr, 0, 10);
    REQUIRE(exists(dir_ / "port"));
    host_ = (pem.empty() ? "127.0.0.1:" : "localhost:") + *read_file(dir_ / "port");
}

void FakeRegistry::put(const std::string& name, const std::string& text) const {
    REQUIRE(write_atomically(dir_ / name, text, 0644, Sync::No).ok());
}

Json FakeRegistry::blob(const std::string& type, const std::string& bytes) const {
    put("blobs/" + sha256_hex(bytes), bytes);
    return {{"mediaType", type}, {"digest", "sha256:" + sha256_hex(bytes)}, {"size", bytes.size()}};
}

std::string FakeRegistry::blob_text(const std::string& hex) const {
    return *read_file(dir_ / ("blobs/" + hex));
}

Json FakeRegistry::manifest(const Json& json, const std::string& tag) const {
    const std::string text = json.dump();
    put("manifests/" + tag, text);
    put("manifests/" + sha256_hex(text), text);
    return {{"mediaType", string_or(json, "mediaType")},
            {"digest", "sha256:" + sha256_hex(text)},
            {"size", text.size()}};
}

Json FakeRegistry::image(const std::vector<Layer>& layers) const {
    Json diff_ids = Json::array();
    Json descriptors = Json::array();
    for (const Layer& layer : layers) {
        diff_ids.push_back("sha256:" + sha256_hex(layer.tar));
        descriptors.push_back(blob(layer.type, layer.bytes));
    }
    const std::string config = Json{{"architecture", "amd64"},
                                    {"os", "linux"},
                                    {"config", {{"Cmd", {"run"}}}},
                                    {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
                                   .dump();
    return {{"schemaVersion", 2},
            {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
            {"config", blob("application/vnd.oci.image.config.v1+json", config)},
            {"layers", descriptors}};
}

std::string FakeRegistry::log() const {
    const Result<std::string> text = read_file(dir_ / "log");
    return text ? *text : "";
}

std::size_t FakeRegistry::asked(const std::string& part) const {
    std::size_t count = 0;
    for (const std::string& line : split(log(), '\n'))
        if (line.find(part) != std::string::npos) ++count;
    return count;
}

std::string packed_by(const std::string& program, const std::string& text) {
    const TempDir dir;
    REQUIRE(write_in_place(dir / "plain", text, 0600).ok());
    const Outcome done = run({.argv = {"sh", "-c", program + " -c < \"$1\"", "sh", dir / "plain"}});
    REQUIRE_MESSAGE(done.status == 0, done.err);
    return done.out;
}

std::string noise(std::size_t size, unsigned seed) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>((seed = seed * 1103515245U + 12345U) >> 16U);
    return text;
}

}  // namespace davit::testing
