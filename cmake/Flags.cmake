# Compiler and linker flags, carried by one interface target that every folder's target links to.
add_library(davit_flags INTERFACE)
target_compile_features(davit_flags INTERFACE cxx_std_20)
target_compile_definitions(davit_flags INTERFACE _GNU_SOURCE)

# Whether base/fmt.cpp has what fmt declares as being elsewhere: what that is differs by release.
find_package(fmt CONFIG REQUIRED)
if(fmt_VERSION VERSION_GREATER_EQUAL 10)
    target_compile_definitions(davit_flags INTERFACE FMT_HEADER_ONLY)
endif()
target_compile_options(davit_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
    -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Wimplicit-fallthrough -Wcast-qual)

set(DAVIT_SANITIZE "" CACHE STRING "Sanitizers to build with: 'address,undefined' or 'thread'")
if(DAVIT_SANITIZE)
    target_compile_options(davit_flags INTERFACE -fsanitize=${DAVIT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(davit_flags INTERFACE -fsanitize=${DAVIT_SANITIZE})
endif()

# Line tables and function names are enough for a backtrace, at a quarter of the size.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" OR CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(davit_flags INTERFACE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    target_link_options(davit_flags INTERFACE -Wl,-z,relro,-z,now)
    # g++ 12 sees overflows in its own std::string when it inlines: GCC bugs 105329, 105651, 105762.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(davit_flags INTERFACE
            -Wno-stringop-overflow -Wno-restrict -Wno-array-bounds)
    endif()
endif()

option(DAVIT_COVERAGE "Count which lines run" OFF)
if(DAVIT_COVERAGE)
    target_compile_options(davit_flags INTERFACE --coverage)
    target_link_options(davit_flags INTERFACE --coverage)
endif()

# ccache halves the time of every second build; without it nothing changes.
find_program(DAVIT_CCACHE ccache)
if(DAVIT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers need these two: their time stamps and defines are CMake's business. What a
    # file includes is known from the compiler afterwards: no preprocessing beforehand.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_DEPEND=1 ${DAVIT_CCACHE})
endif()

# davit_folder(NAME SOURCES... USES targets... PRIVATE_USES targets...):
# one static library for one folder of the tree. What stands in PRIVATE_USES is not seen by others.
function(davit_folder name)
    cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
    add_library(davit_${name} STATIC ${arg_SOURCES})
    target_include_directories(davit_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(davit_${name} PUBLIC davit_flags ${arg_USES} PRIVATE ${arg_PRIVATE_USES})
    target_precompile_headers(davit_${name} PRIVATE
        <fmt/format.h> <nlohmann/json.hpp> <map> <optional> <string> <vector>)
endfunction()
