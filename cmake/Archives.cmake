# Which libraries become part of the program. A command takes a few milliseconds, and to find, map and
# relocate ten shared libraries takes longer than that: what is small, or what all of C++ hangs on,
# is linked from archives in a release. What parses strangers' bytes and is mended often (libcurl with
# its TLS, libnftables) stays apart, and is loaded where it is needed.
string(TOUPPER "${CMAKE_BUILD_TYPE}" davit_build_type)
set(davit_is_release OFF)
if(davit_build_type MATCHES "^(RELEASE|RELWITHDEBINFO|MINSIZEREL)$" AND NOT DAVIT_SANITIZE)
    set(davit_is_release ON)
endif()
option(DAVIT_ARCHIVES "Link yaml-cpp, zstd, liblzma, bzip2, libnl, libcrypto's digests and libstdc++ statically" ${davit_is_release})
set(OPENSSL_USE_STATIC_LIBS ${DAVIT_ARCHIVES})
if(DAVIT_ARCHIVES AND OPENSSL_CRYPTO_LIBRARY MATCHES "\\.so$")
    unset(OPENSSL_CRYPTO_LIBRARY CACHE)  # found before archives were asked for
endif()

# davit_archives(TARGET NAMES...): makes an imported target stand for these archives, where all of
# them are there; else it stays what it is.
function(davit_archives target)
    if(NOT DAVIT_ARCHIVES)
        return()
    endif()
    set(paths "")
    foreach(name IN LISTS ARGN)
        find_library(davit_archive_${name} lib${name}.a)
        if(NOT davit_archive_${name})
            message(STATUS "lib${name}.a is not there: ${target} is linked as a shared library")
            return()
        endif()
        list(APPEND paths ${davit_archive_${name}})
    endforeach()
    set_property(TARGET ${target} PROPERTY INTERFACE_LINK_LIBRARIES ${paths})
endfunction()
