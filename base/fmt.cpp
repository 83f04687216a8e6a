// fmt's own functions, once for all programs. Debian has no archive of the library, which the
// static davit-runtime would need, and with FMT_HEADER_ONLY every source compiles them again: a
// third of the time that it takes.
#include <fmt/format-inl.h>

// The templates that fmt/format.h declares as being elsewhere and davit uses; src/format.cc of fmt
// has all of them.
FMT_BEGIN_NAMESPACE
namespace detail {
template FMT_API auto dragonbox::to_decimal(float number) noexcept -> dragonbox::decimal_fp<float>;
template FMT_API auto dragonbox::to_decimal(double number) noexcept
    -> dragonbox::decimal_fp<double>;
template FMT_API locale_ref::locale_ref(const std::locale& locale);
template FMT_API auto locale_ref::get<std::locale>() const -> std::locale;
template FMT_API auto thousands_sep_impl(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl(locale_ref) -> char;
template FMT_API void buffer<char>::append(const char* begin, const char* end);
}  // namespace detail
FMT_END_NAMESPACE
