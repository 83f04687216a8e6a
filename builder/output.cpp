#include "builder/output.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/layer_cache.h"
#include "builder/merged_root.h"
#include "builder/tree.h"
#include "image/output_file.h"
#include "image/save.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <unistd.h>

namespace davit::builder {
namespace {

const std::map<std::string, Output::Kind> kKinds = {{"docker", Output::Kind::Docker},
                                                    {"oci", Output::Kind::Oci},
                                                    {"local", Output::Kind::Local},
                                                    {"tar", Output::Kind::Tar},
                                                    {"image", Output::Kind::Store}};

Error bad(std::string message, std::string help) {
    return Error(ErrorKind::InvalidInput, std::move(message)).help(std::move(help));
}

Result<Output::Kind> kind_of(const std::string& word) {
    if (const auto found = kKinds.find(word); found != kKinds.end()) return found->second;
    if (word == "registry")
        return bad("an output of type 'registry' is not supported", "build, and use --push");
    std::vector<std::string> known;
    for (const auto& [name, kind] : kKinds) known.push_back(name);
    const auto meant = nearest(word, known);
    return bad(fmt::format("'{}' is no type of an output", printable(word)),
               meant ? fmt::format("the nearest is '{}'", *meant)
                     : fmt::format("known are {}", fmt::join(known, ", ")));
}

/// "type=…,dest=…" as its fields.
Result<std::map<std::string, std::string>> fields_of(const std::string& text) {
    std::map<std::string, std::string> fields;
    for (const std::string& field : split(text, ',')) {
        const std::size_t equals = field.find('=');
        if (equals == 0 || equals == std::string::npos)
            return bad(fmt::format("'{}' of --output has no '='", printable(field)),
                       "write type=KIND,dest=PATH");
        fields[field.substr(0, equals)] = field.substr(equals + 1);
    }
    for (const auto& [name, value] : fields)
        if (name != "type" && name != "dest" && name != "name")
            return bad(fmt::format("unknown word '{}' of --output", printable(name)),
                       "it knows type, dest and name");
    return fields;
}

Result<MergedRoot> open_result(const std::string& data_root, const image::StagedImage& image,
                               const std::string& scratch) {
    std::vector<std::string> ids;
    for (const image::StagedLayer& layer : image.layers) ids.push_back(layer.diff_id);
    const std::vector<std::string> folders = TRY(LayerCache(data_root).folders(ids));
    return MergedRoot::open(folders, scratch, false);
}

Result<void> write_folder(const std::string& path, const MergedRoot& merged) {
    TRY(make_directories(path, 0755));
    const UniqueFd folder = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
    // Whoever takes the files out owns them, as with docker build.
    const TreeSource source{&merged.root(), nullptr, false};
    const std::vector<Selection> all = TRY(select_items(source, "", {}));
    const CopyAttributes attributes{.owner = Owner{::geteuid(), ::getegid()}, .mode = {}};
    return copy_items(source, all.front().items, folder, "", attributes);
}

}  // namespace

Result<Output> parse_output(const std::string& text, const std::string& working_dir) {
    Output output;
    std::map<std::string, std::string> fields;
    if (text.find('=') == std::string::npos)
        fields = {{"type", text == "-" ? "tar" : "local"}, {"dest", text}};
    else
        fields = TRY(fields_of(text));
    output.kind = TRY(kind_of(fields["type"]));
    const std::string& dest = fields["dest"];
    if (!dest.empty()) output.dest = dest == "-" ? dest : clean_path(join_path(working_dir, dest));
    if (!fields["name"].empty()) output.names.push_back(fields["name"]);
    using Kind = Output::Kind;
    if (output.kind == Kind::Docker && dest.empty()) output.kind = Kind::Store;
    if (output.kind == Kind::Store && !dest.empty())
        return bad("an output of type 'image' has no dest", "use type=docker or type=oci");
    if (output.kind != Kind::Store && dest.empty())
        return bad(fmt::format("--output '{}' says no dest", printable(text)),
                   "add dest=PATH, or dest=- for standard output");
    if (output.kind == Kind::Local && dest == "-")
        return bad("a folder can't go to standard output", "use type=tar");
    return output;
}

bool wants_store(const std::vector<Output>& outputs) {
    return outputs.empty() || std::any_of(outputs.begin(), outputs.end(), [](const Output& one) {
               return one.kind == Output::Kind::Store;
           });
}

Result<void> write_output(const Output& output, const std::string& data_root,
                          const image::StagedImage& image,
                          std::optional<std::int64_t> source_date_epoch,
                          const std::string& scratch) {
    using Kind = Output::Kind;
    if (output.kind == Kind::Store) return {};
    const auto write = [&](image::ByteSink& sink) -> Result<void> {
        if (output.kind != Kind::Tar)
            return image::save_staged(
                data_root, image,
                output.kind == Kind::Oci ? image::SaveFormat::Oci : image::SaveFormat::Docker,
                sink);
        const MergedRoot merged = TRY(open_result(data_root, image, scratch));
        image::PackOptions options;
        options.overlay = false;
        options.latest_mtime = source_date_epoch;
        TRY(image::pack_layer(merged.root(), sink, options));
        return {};
    };
    if (output.kind == Kind::Local) {
        const MergedRoot merged = TRY(open_result(data_root, image, scratch));
        TRY_DOING(write_folder(output.dest, merged), "write '{}'", output.dest);
    } else {
        TRY(image::write_out(output.dest, "write the result", write));
    }
    return {};
}

}  // namespace davit::builder
