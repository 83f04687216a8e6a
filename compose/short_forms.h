#pragma once

#include "compose/canonical.h"

#include <string>

/// The short forms of the Compose specification, written out in place; see Shape::rewrite.
namespace davit::compose {

using Rewrite = bool(Canonicalizer&, Node&, const NodePath&);

/// `[A=1, B]` becomes `{A: "1", B: null}`.
Rewrite rewrite_key_values;
/// As rewrite_key_values, a missing value is "".
Rewrite rewrite_labels;
/// As rewrite_key_values; in a list, names without value get the environment's.
Rewrite rewrite_environment;
/// As rewrite_key_values, values are folders, services or URLs.
Rewrite rewrite_contexts;
/// `a` becomes `[a]`.
Rewrite rewrite_one_as_list;
/// As rewrite_one_as_list, numbers and booleans too.
Rewrite rewrite_scalar_as_list;
/// A command line becomes its words.
Rewrite rewrite_command;
/// A relative path becomes absolute.
Rewrite rewrite_host_path;
/// As rewrite_host_path; URLs and services stay.
Rewrite rewrite_build_context;
Rewrite rewrite_build;           ///< `.` becomes `{context: .}`
Rewrite rewrite_ssh;             ///< `{default: , id: path}` becomes `[default, id=path]`
Rewrite rewrite_test;            ///< `x` becomes `[CMD-SHELL, x]`
Rewrite rewrite_dependencies;    ///< `[db]` becomes `{db: {condition: service_started}}`
Rewrite rewrite_name_table;      ///< `[a]` becomes `{a: null}`
Rewrite rewrite_env_files;       ///< `a.env` becomes `[{path: a.env}]`
Rewrite rewrite_extends;         ///< `base` becomes `{service: base}`
Rewrite rewrite_extra_hosts;     ///< Both forms become `["name=address"]`
Rewrite rewrite_gpus;            ///< `all` becomes `[{count: -1}]`
Rewrite rewrite_device;          ///< `a:b:rwm` becomes a mapping
Rewrite rewrite_file_reference;  ///< `name` becomes `{source: name}`
Rewrite rewrite_external;        ///< `{name: x}` becomes true, and the name goes up
Rewrite rewrite_local_volume;    ///< The device of a local bind becomes absolute
Rewrite rewrite_include;         ///< `a.yaml` becomes `{path: [a.yaml]}`
Rewrite rewrite_count;           ///< `all` becomes -1
Rewrite rewrite_ulimit;          ///< Numbers as strings become numbers
Rewrite rewrite_true_or_text;    ///< true becomes "true"
Rewrite rewrite_pull_policy;
Rewrite rewrite_ports;    ///< Each short form becomes one mapping or several
Rewrite rewrite_volume;   ///< `a:/b:ro` becomes a mapping; sources become absolute
Rewrite rewrite_version;  ///< Says that it means nothing

using Identity = std::string(const Node&);
Identity identity_text;    ///< The whole text.
Identity identity_name;    ///< The text before '='.
Identity identity_target;  ///< `target`, the source where there is none.
Identity identity_secret;  ///< As identity_target, below /run/secrets.
Identity identity_mount;   ///< `target`, cleaned.
Identity identity_port;    ///< Host address, both ports, protocol.
Identity identity_path;    ///< `path`
Identity identity_subnet;  ///< `subnet`

}  // namespace davit::compose
