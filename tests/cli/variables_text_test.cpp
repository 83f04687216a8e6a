#include "cli/variables_text.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

TEST_CASE("the variables of a project are shown as docker compose shows them") {
    compose::VariableUses uses;
    compose::collect_variables("${TAG:-latest} ${DEBUG:+on} ${TOKEN:?say it}", uses);
    CHECK(variables_text(uses, false) ==
          "NAME                REQUIRED            DEFAULT VALUE       ALTERNATE VALUE\n"
          "DEBUG               false                                   on\n"
          "TAG                 false               latest              \n"
          "TOKEN               true                                    \n");
    CHECK(variables_text({}, false) ==
          "NAME                REQUIRED            DEFAULT VALUE       ALTERNATE VALUE\n");
    uses.erase("DEBUG");
    uses.erase("TAG");
    CHECK(variables_text(uses, true) ==
          "{\n    \"TOKEN\": {\n        \"Name\": \"TOKEN\",\n        \"DefaultValue\": \"\",\n"
          "        \"PresenceValue\": \"\",\n        \"Required\": true\n    }\n}\n");
}
