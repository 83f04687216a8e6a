#include "compose/yaml_reader.h"

#include "compose/source_scan.h"

#include <algorithm>
#include <exception>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

// yaml-cpp's events instead of its Node, which keeps duplicate keys, resolves no merge keys, shares
// aliased nodes without end and knows no place of an alias. Exceptions of the library end here.
namespace davit::compose {
namespace {

/// A finished value and what it costs to write it out once more.
struct Finished {
    Node node = {};
    std::size_t nodes = 1;
    std::size_t text_bytes = 0;
    std::size_t height = 1;
};

/// A list or mapping whose end has not come yet.
struct Open {
    Finished value = {};
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<Node> key = {};  ///< Mapping: read, its value has not come yet.
    bool key_stood_before = false;
    std::unordered_map<std::string, SourcePos> seen = {};
};

class TreeBuilder : public YAML::EventHandler {
public:
    TreeBuilder(const SourceScan& scan, const YamlLimits& limits) : scan_(scan), limits_(limits) {}

    const Diagnostics& remarks() const { return diagnostics_; }

    /// Whether a remark was made that makes the rest of the file meaningless.
    bool gave_up() const { return gave_up_; }
    /// Makes that remark the only one: what comes of half a tree is noise.
    void give_up(const SourcePos& where, std::string message, std::string help);
    std::optional<Node> take_document() { return std::exchange(document_, std::nullopt); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        // The parser makes empty documents without end of a ',' that stands where none belongs.
        if (document_start_ == mark.pos)
            give_up(scan_.at(mark.line, mark.column), "the file is not valid YAML here",
                    "take the mark of punctuation out, or put the text in quotes");
        document_start_ = mark.pos;
        open_.clear();
        anchors_.clear();
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        Finished value;
        value.node.pos = scan_.at(mark.line, mark.column);
        finish(std::move(value), anchor);
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& text) override;
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        open(NodeKind::Sequence, mark, tag, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        open(NodeKind::Mapping, mark, tag, anchor);
    }
    void OnMapEnd() override { close(); }

private:
    void open(NodeKind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor);
    void close();
    void finish(Finished value, YAML::anchor_t anchor);
    void take_key(Open& mapping, Node key);
    void resolve_merges(Node& mapping);
    bool count(const Finished& value);

    const SourceScan& scan_;
    Diagnostics diagnostics_;
    const YamlLimits& limits_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, Finished> anchors_;
    std::optional<Node> document_;
    std::size_t nodes_ = 0;
    std::size_t text_bytes_ = 0;
    int document_start_ = -1;
    bool gave_up_ = false;
};

/// The user's own tags; those of YAML itself only say what the text says anyway.
std::string own_tag(const std::string& tag) {
    return tag.size() > 1 && tag.starts_with('!') ? tag : std::string();
}

void TreeBuilder::give_up(const SourcePos& where, std::string message, std::string help) {
    if (gave_up_) return;
    gave_up_ = true;
    diagnostics_ = {};
    diagnostics_.error(std::move(message), where, std::move(help));
}

/// Counts a value that is about to be put into the tree; false where that is one too many.
bool TreeBuilder::count(const Finished& value) {
    nodes_ += value.nodes;
    text_bytes_ += value.text_bytes;
    if (nodes_ <= limits_.nodes && text_bytes_ <= limits_.text_bytes) return true;
    give_up(value.node.pos,
            fmt::format("the file has more than {} values or {} MiB of text with its aliases "
                        "written out",
                        limits_.nodes, limits_.text_bytes >> 20U),
            "use fewer aliases ('*name'), each is a copy of what its anchor holds");
    return false;
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& text) {
    if (gave_up_) return;
    const ScalarPlace place = scan_.scalar_at(mark.line, mark.column, text);
    if (place.unterminated)
        return give_up(place.pos, "the quoted text that begins here has no end",
                       "close it with the same quotation mark");
    Finished value;
    value.text_bytes = text.size();
    value.node.kind = NodeKind::Scalar;
    value.node.text = text;
    value.node.tag = own_tag(tag);
    value.node.pos = place.pos;
    value.node.is_string = place.quoted || tag == "tag:yaml.org,2002:str";
    if (!value.node.is_string && scalar_type(value.node) == ScalarType::Null)
        value.node.kind = NodeKind::Null;  // reached with a tag: "!reset" and nothing behind it
    if (count(value)) finish(std::move(value), anchor);
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (gave_up_) return;
    const SourcePos here = scan_.word_at(mark.line, mark.column);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
        return give_up(here, "the alias stands inside the value that its anchor names",
                       "take the alias out, a value can't contain itself");
    if (open_.size() + found->second.height > limits_.depth)
        return give_up(here, fmt::format("values are nested more than {} deep", limits_.depth),
                       "use fewer aliases inside anchored values");
    if (!count(found->second)) return;
    Finished copy = found->second;
    copy.node.pos = here;
    finish(std::move(copy), YAML::NullAnchor);
}

void TreeBuilder::open(NodeKind kind, const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor) {
    if (gave_up_) return;
    Open opened;
    opened.anchor = anchor;
    opened.value.node.kind = kind;
    opened.value.node.tag = own_tag(tag);
    opened.value.node.pos = scan_.at(mark.line, mark.column);
    if (open_.size() >= limits_.depth)
        return give_up(opened.value.node.pos,
                       fmt::format("values are nested more than {} deep", limits_.depth),
                       "write them flatter");
    if (count(opened.value)) open_.push_back(std::move(opened));
}

void TreeBuilder::close() {
    if (gave_up_) return;
    Open closed = std::move(open_.back());
    open_.pop_back();
    if (closed.value.node.kind == NodeKind::Mapping) resolve_merges(closed.value.node);
    finish(std::move(closed.value), closed.anchor);
}

/// Puts a value where it belongs: into the innermost open list or mapping, or as the document.
void TreeBuilder::finish(Finished value, YAML::anchor_t anchor) {
    if (gave_up_) return;
    if (anchor != YAML::NullAnchor) {
        if (!count(value)) return;  // the copy that aliases are made from
        anchors_[anchor] = value;
    }
    if (open_.empty()) {
        document_ = std::move(value.node);
        return;
    }
    Open& parent = open_.back();
    parent.value.nodes += value.nodes;
    parent.value.text_bytes += value.text_bytes;
    parent.value.height = std::max(parent.value.height, value.height + 1);
    if (parent.value.node.kind == NodeKind::Mapping) {
        if (!parent.key) return take_key(parent, std::move(value.node));
        value.node.key = std::move(parent.key->text);
        value.node.key_pos = parent.key->pos;
        if (value.node.kind == NodeKind::Null) value.node.pos = value.node.key_pos;
        const bool merge = !parent.key->is_string && value.node.key == "<<";
        if (merge) value.node.tag = "<<";
        parent.key.reset();
        if (parent.key_stood_before) return;
    }
    parent.value.node.items.push_back(std::move(value.node));
}

void TreeBuilder::take_key(Open& mapping, Node key) {
    if (key.kind == NodeKind::Sequence || key.kind == NodeKind::Mapping)
        return give_up(key.pos, fmt::format("a key must be a string, found {}", describe(key)), {});
    if (scalar_type(key) != ScalarType::String)
        diagnostics_.error(fmt::format("a key must be a string, found {}", describe(key)), key.pos,
                           "write it in quotes");
    const auto [first, fresh] = mapping.seen.emplace(key.text, key.pos);
    mapping.key_stood_before = !fresh;
    if (!fresh) {
        diagnostics_.add({Severity::Error,
                          fmt::format("the key '{}' stands here twice", key.text),
                          key.pos,
                          "keep one of the two",
                          {{"it stands here first", first->second}}});
    }
    mapping.key = std::move(key);
}

/// Replaces the entry `<<` by what it refers to. Own keys win, then the earlier of several sources.
/// @source YAML merge key language-independent type
void TreeBuilder::resolve_merges(Node& mapping) {
    std::vector<Node> sources;
    std::vector<Node> kept;
    for (Node& item : mapping.items) {
        if (item.tag != "<<") {
            kept.push_back(std::move(item));
        } else if (item.kind == NodeKind::Sequence) {
            for (Node& source : item.items) sources.push_back(std::move(source));
        } else {
            sources.push_back(std::move(item));
        }
    }
    mapping.items = std::move(kept);
    if (sources.empty()) return;
    std::unordered_set<std::string> own;
    for (const Node& item : mapping.items) own.insert(item.key);
    for (Node& source : sources) {
        if (source.kind != NodeKind::Mapping) {
            diagnostics_.error(fmt::format("'<<' takes a mapping or a list of mappings, found {}",
                                           describe(source)),
                               source.place(), "name an anchored mapping, as in '<<: *defaults'");
            continue;
        }
        for (Node& item : source.items) {
            if (own.insert(item.key).second) mapping.items.push_back(std::move(item));
        }
    }
}

/// What yaml-cpp calls a syntax error, in words that help.
std::string syntax_help(const std::string& message) {
    if (message.find("illegal tab") != std::string::npos || message.find("tab") == 0)
        return "indent with blanks";
    if (message.find("illegal map value") != std::string::npos)
        return "write text that contains ': ' in quotes, and check the indentation";
    if (message.find("anchor") != std::string::npos)
        return "put '&name' before the value that '*name' repeats, further up in the file";
    if (message.find("end of map") != std::string::npos ||
        message.find("end of sequence") != std::string::npos)
        return "check the indentation: what belongs together begins in the same column";
    return "check the indentation and the quotation marks of this line and the one before";
}

}  // namespace

std::shared_ptr<const SourceFile> make_source(std::string path, std::string text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    return std::make_shared<const SourceFile>(SourceFile{std::move(path), std::move(text)});
}

std::optional<std::vector<Node>> read_yaml(const std::shared_ptr<const SourceFile>& file,
                                           Diagnostics& diagnostics, const YamlLimits& limits) {
    const SourceScan scan(file);
    if (const auto bad = scan.first_bad_byte()) {
        diagnostics.error(bad->message, bad->pos, "save the file as UTF-8 text");
        return std::nullopt;
    }
    std::vector<Node> documents;
    TreeBuilder builder(scan, limits);
    try {
        std::istringstream stream(file->text);
        YAML::Parser parser(stream);
        while (!builder.gave_up() && parser.HandleNextDocument(builder)) {
            std::optional<Node> document = builder.take_document();
            if (document && document->kind != NodeKind::Null)
                documents.push_back(*std::move(document));
        }
    } catch (const YAML::ParserException& problem) {
        const SourcePos where = problem.mark.is_null()
                                    ? scan.at(0, 0)
                                    : scan.at(problem.mark.line, problem.mark.column);
        if (const auto tab = scan.tab_before(problem.mark.is_null() ? 0 : problem.mark.line))
            builder.give_up(*tab, "the file is not valid YAML: a tab can't indent",
                            "indent with blanks");
        else
            builder.give_up(where, fmt::format("the file is not valid YAML: {}", problem.msg),
                            syntax_help(problem.msg));
    } catch (const std::exception& problem) {
        builder.give_up(scan.at(0, 0),
                        fmt::format("the file is not valid YAML: {}", problem.what()), {});
    }
    for (const Diagnostic& remark : builder.remarks().list()) diagnostics.add(remark);
    if (builder.gave_up()) return std::nullopt;
    return documents;
}

}  // namespace davit::compose
