#include "compose/document.h"

#include <doctest/doctest.h>
#include <string>

namespace davit::compose {

TEST_CASE("plain scalars have the types that docker compose sees") {
    struct Case {
        const char* text;
        ScalarType type;
        const char* canonical;
    };
    const Case cases[] = {
        {"", ScalarType::Null, ""},
        {"~", ScalarType::Null, ""},
        {"NULL", ScalarType::Null, ""},
        {"true", ScalarType::Boolean, "true"},
        {"FALSE", ScalarType::Boolean, "false"},
        {"yes", ScalarType::String, "yes"},
        {"on", ScalarType::String, "on"},
        {"0", ScalarType::Integer, "0"},
        {"010", ScalarType::Integer, "8"},
        {"0o10", ScalarType::Integer, "8"},
        {"0x1F", ScalarType::Integer, "31"},
        {"0b101", ScalarType::Integer, "5"},
        {"1_000", ScalarType::Integer, "1000"},
        {"-5", ScalarType::Integer, "-5"},
        {"+5", ScalarType::Integer, "5"},
        {"08", ScalarType::Float, "8"},
        {"12345678901234567890", ScalarType::Integer, "12345678901234567890"},
        {"1.50", ScalarType::Float, "1.5"},
        {"1.0", ScalarType::Float, "1"},
        {".5", ScalarType::Float, "0.5"},
        {"1e3", ScalarType::Float, "1000"},
        {"1e10", ScalarType::Float, "1e+10"},
        {"0.00001", ScalarType::Float, "1e-05"},
        {".inf", ScalarType::Float, "+Inf"},
        {"-.Inf", ScalarType::Float, "-Inf"},
        {".NaN", ScalarType::Float, "NaN"},
        {"22:22", ScalarType::String, "22:22"},
        {"0x", ScalarType::String, "0x"},
        {"1.2.3", ScalarType::String, "1.2.3"},
        {"-", ScalarType::String, "-"},
        {"infinity", ScalarType::String, "infinity"},
        {"nan", ScalarType::String, "nan"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        Node node;
        node.kind = NodeKind::Scalar;
        node.text = c.text;
        CHECK(scalar_type(node) == c.type);
        CHECK(canonical_text(node) == c.canonical);
        node.is_string = true;
        CHECK(scalar_type(node) == ScalarType::String);
        CHECK(canonical_text(node) == c.text);
    }
}

}  // namespace davit::compose
