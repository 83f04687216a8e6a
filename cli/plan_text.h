#pragma once

#include "base/json.h"
#include "compose/plan.h"

#include <string>

/// A plan for people and for programs. Pure.
namespace davit::cli {

///     Changes to project 'shop':
///       + create   network     shop_default   not there yet
///       > start    container   shop-web-1     not running
///     2 steps: 1 create, 1 start, 0 stop, 0 remove
std::string plan_text(const compose::Plan& plan, const std::string& project, bool colour);

/// {"version": 1, "project": …, "steps": [{"id", "kind", "resource", "cause", "place", "after"}],
/// "warnings": […]}
Json plan_json(const compose::Plan& plan, const std::string& project);

}  // namespace davit::cli
