#include "cli/completions.h"

#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

/// What an argument of a command is completed with.
enum class Kind { Nothing, Services, Volumes, Images, Files };

Kind kind_of(const CommandInfo& command) {
    if (command.arguments.empty()) return Kind::Nothing;
    const std::string& name = command.arguments.front().name;
    if (name == "SERVICE" || name == "NAME=NUMBER" || name == "SERVICE=NUMBER")
        return Kind::Services;
    if (command.path.starts_with("volume ")) return Kind::Volumes;
    if (command.path == "inspect") return Kind::Services;
    if (name == "IMAGE" || name == "SOURCE" || name == "NAME") return Kind::Images;
    return Kind::Files;
}

/// A command whose output is the words to choose from; empty: files, or nothing.
std::string source_of(Kind kind) {
    switch (kind) {
        case Kind::Services: return "config --services";
        case Kind::Volumes: return "volume ls -q";
        case Kind::Images: return "images --format '{{.Repository}}:{{.Tag}}'";
        case Kind::Nothing:
        case Kind::Files: break;
    }
    return {};
}

std::string names_of(const std::vector<FlagInfo>& flags, bool only_valued) {
    std::string text;
    for (const FlagInfo& flag : flags) {
        if (flag.hidden || (only_valued && flag.value.empty())) continue;
        for (const std::string& name : flag.names) text += (text.empty() ? "" : " ") + name;
    }
    return text;
}

/// In single quotes, for any of the shells: they have no way to quote a quote that all share, so
/// that it becomes a typographic one.
std::string in_quotes(const std::string& text) {
    std::string safe = "'";
    for (const char c : text) safe += c == '\'' ? std::string("’") : std::string(1, c);
    return safe + "'";
}

std::string top_words(const Catalog& catalog) {
    std::string words;
    for (const CommandInfo& command : catalog.commands)
        if (!command.hidden && command.path.find(' ') == std::string::npos)
            words += (words.empty() ? "" : " ") + command.path;
    return words;
}

std::vector<FlagInfo> all_flags(const Catalog& catalog) {
    std::vector<FlagInfo> flags = catalog.globals;
    for (const CommandInfo& command : catalog.commands)
        flags.insert(flags.end(), command.flags.begin(), command.flags.end());
    return flags;
}

/// "'--progress') words='auto tty'": each flag with choices once.
std::string bash_choices(const Catalog& catalog) {
    std::string text;
    std::vector<std::string> seen;
    for (const FlagInfo& flag : all_flags(catalog)) {
        if (flag.choices.empty()) continue;
        const std::string& name = flag.names.back();
        if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
        seen.push_back(name);
        text += fmt::format("        {}) COMPREPLY=($(compgen -W {} -- \"$cur\")); return ;;\n",
                            name, in_quotes(fmt::format("{}", fmt::join(flag.choices, " "))));
    }
    return text;
}

std::string bash_command(const CommandInfo& command) {
    std::string text = fmt::format("        {})\n", in_quotes(command.path));
    text += fmt::format("            flags={}\n", in_quotes(names_of(command.flags, false)));
    text += fmt::format("            valued={}\n", in_quotes(names_of(command.flags, true)));
    if (!command.commands.empty())
        text += fmt::format("            words={}\n",
                            in_quotes(fmt::format("{}", fmt::join(command.commands, " "))));
    const Kind kind = kind_of(command);
    if (const std::string source = source_of(kind); !source.empty())
        text += fmt::format("            ask=({})\n", source);
    if (kind == Kind::Files) text += "            files=1\n";
    return text + "            ;;\n";
}

constexpr const char* kBashHead =
    R"(# Completion of davit for bash. Made by 'davit completion bash'.
_davit() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local path='' flags='' valued='' words='' files='' word i
    local -a ask=() before=()
)";

constexpr const char* kBashTail = R"sh(    case $prev in
@CHOICES@    esac
    if [[ " $valued $global_valued " == *" $prev "* ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
    elif [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$flags $global --help" -- "$cur"))
    elif [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    elif [[ ${#ask[@]} -gt 0 ]]; then
        COMPREPLY=($(compgen -W "$(davit "${before[@]}" "${ask[@]}" 2>/dev/null)" -- "$cur"))
    elif [[ -n $files ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}
complete -o filenames -F _davit davit
)sh";

std::string bash_script(const Catalog& catalog) {
    std::string text = kBashHead;
    text += fmt::format("    local global={}\n", in_quotes(names_of(catalog.globals, false)));
    text += fmt::format("    local global_valued={}\n", in_quotes(names_of(catalog.globals, true)));
    text += fmt::format("    local commands={}\n", in_quotes(top_words(catalog)));
    std::string above;
    for (const CommandInfo& command : catalog.commands)
        if (!command.commands.empty()) above += " " + command.path;
    text += fmt::format("    local groups={}\n", in_quotes(above + " "));
    // Which command the line is about; -f, -p and the like before it are handed on.
    text += R"(    for ((i = 1; i < COMP_CWORD; ++i)); do
        word=${COMP_WORDS[i]}
        if [[ " $global_valued " == *" $word "* && -z $path ]]; then
            before+=("$word" "${COMP_WORDS[i+1]}"); ((++i))
        elif [[ $word == -* ]]; then
            :
        elif [[ -z $path ]]; then
            path=$word
        elif [[ $path != *' '* && $groups == *" $path "* ]]; then
            path+=" $word"
        fi
    done
    case $path in
        '') words=$commands ;;
)";
    for (const CommandInfo& command : catalog.commands)
        if (!command.hidden) text += bash_command(command);
    text += "    esac\n";
    std::string tail = kBashTail;
    const std::string mark = "@CHOICES@";
    return text + tail.replace(tail.find(mark), mark.size(), bash_choices(catalog));
}

/// Brackets and colons mean something to _arguments.
std::string zsh_text(const std::string& text) {
    std::string safe;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == ':') safe += '\\';
        safe += c;
    }
    return safe;
}

std::string zsh_flags(const std::vector<FlagInfo>& flags) {
    std::string text;
    for (const FlagInfo& flag : flags) {
        if (flag.hidden) continue;
        for (const std::string& name : flag.names) {
            std::string spec = fmt::format("*{}[{}]", name, zsh_text(flag.about));
            if (!flag.choices.empty())
                spec += fmt::format(":{}:({})", flag.value, fmt::join(flag.choices, " "));
            else if (!flag.value.empty())
                spec += fmt::format(":{}:_files", zsh_text(flag.value));
            text += fmt::format("            {} \\\n", in_quotes(spec));
        }
    }
    return text;
}

std::string zsh_script(const Catalog& catalog) {
    std::string text =
        "#compdef davit\n# Completion of davit for zsh. Made by 'davit completion zsh'.\n"
        "_davit_ask() { local -a found; found=(${(f)\"$(davit ${(Q)before} \"$@\" 2>/dev/null)\"}); "
        "compadd -a found }\n"
        "_davit() {\n    local path= word i\n    local -a before commands\n    commands=(\n";
    for (const CommandInfo& command : catalog.commands)
        if (!command.hidden && command.path.find(' ') == std::string::npos)
            text += fmt::format("        {}\n",
                                in_quotes(command.path + ":" + zsh_text(command.about)));
    text += fmt::format("    )\n    local valued={}\n",
                        in_quotes(" " + names_of(catalog.globals, true) + " "));
    std::string above;
    for (const CommandInfo& command : catalog.commands)
        if (!command.commands.empty()) above += " " + command.path;
    text += fmt::format("    local groups={}\n", in_quotes(above + " "));
    text += R"(    for ((i = 2; i < CURRENT; ++i)); do
        word=$words[i]
        if [[ $valued == *" $word "* && -z $path ]]; then
            before+=("$word" "$words[i+1]"); ((++i))
        elif [[ $word == -* ]]; then
            :
        elif [[ -z $path ]]; then
            path=$word
        elif [[ $path != *' '* && $groups == *" $path "* ]]; then
            path+=" $word"
        fi
    done
    case $path in
        '') _arguments \
)";
    text +=
        zsh_flags(catalog.globals) + "            '*::command:{_describe command commands}' ;;\n";
    for (const CommandInfo& command : catalog.commands) {
        if (command.hidden) continue;
        text += fmt::format("        {}) _arguments \\\n", in_quotes(command.path));
        text += zsh_flags(command.flags) + zsh_flags(catalog.globals);
        const Kind kind = kind_of(command);
        std::string last = "'*:file:_files'";
        if (!command.commands.empty())
            last = in_quotes(fmt::format("*:command:({})", fmt::join(command.commands, " ")));
        else if (const std::string source = source_of(kind); !source.empty())
            last = "\"*:name:{_davit_ask " + source + "}\"";
        else if (kind == Kind::Nothing)
            last = "'*: :'";
        text += "            " + last + " ;;\n";
    }
    return text + "    esac\n}\n_davit \"$@\"\n";
}

std::string fish_flag(const FlagInfo& flag, const std::string& condition) {
    if (flag.hidden) return {};
    std::string text = "complete -c davit" + condition;
    for (const std::string& name : flag.names)
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    if (!flag.choices.empty())
        text += " -x -a " + in_quotes(fmt::format("{}", fmt::join(flag.choices, " ")));
    else if (!flag.value.empty())
        text += " -r";
    return text + " -d " + in_quotes(flag.about) + "\n";
}

std::string fish_command(const CommandInfo& command) {
    const std::size_t blank = command.path.find(' ');
    const std::string top = command.path.substr(0, blank);
    std::string within = "__fish_seen_subcommand_from " + top;
    if (blank != std::string::npos)
        within += "; and __fish_seen_subcommand_from " + command.path.substr(blank + 1);
    const std::string condition = " -n '" + within + "'";
    std::string text;
    if (blank == std::string::npos)
        text += fmt::format("complete -c davit -n __fish_use_subcommand -a {} -d {}\n",
                            command.path, in_quotes(command.about));
    for (const FlagInfo& flag : command.flags) text += fish_flag(flag, condition);
    if (!command.commands.empty()) {
        const std::string words = fmt::format("{}", fmt::join(command.commands, " "));
        text += fmt::format(
            "complete -c davit -n '__fish_seen_subcommand_from {0}; and not "
            "__fish_seen_subcommand_from {1}' -a '{1}'\n",
            top, words);
    } else if (const std::string source = source_of(kind_of(command)); !source.empty()) {
        text +=
            fmt::format("complete -c davit{} -a \"(davit {} 2>/dev/null)\"\n", condition, source);
    } else if (kind_of(command) == Kind::Files) {
        text += fmt::format("complete -c davit{} -F\n", condition);
    }
    return text;
}

std::string fish_script(const Catalog& catalog) {
    std::string text =
        "# Completion of davit for fish. Made by 'davit completion fish'.\n"
        "complete -c davit -f\n";
    for (const FlagInfo& flag : catalog.globals) text += fish_flag(flag, "");
    for (const CommandInfo& command : catalog.commands)
        if (!command.hidden) text += fish_command(command);
    return text;
}

}  // namespace

Result<std::string> completion_script(const Catalog& catalog, const std::string& shell) {
    if (shell == "bash") return bash_script(catalog);
    if (shell == "zsh") return zsh_script(catalog);
    if (shell == "fish") return fish_script(catalog);
    return Error(ErrorKind::InvalidInput,
                 fmt::format("there is no completion for the shell '{}'", printable(shell)))
        .help("use bash, zsh or fish");
}

}  // namespace davit::cli
