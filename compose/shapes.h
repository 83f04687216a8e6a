#pragma once

#include "compose/shape.h"

/// Shapes that several tables use.
namespace davit::compose {

/// Why what only `docker stack deploy` reads is ignored.
inline constexpr const char* kSwarm = "it means something in a swarm of several machines only";

extern const Shape kAny;
extern const Shape kString;
extern const Shape kBoolean;
extern const Shape kKeptBoolean;  ///< Stays where it is empty.
extern const Shape kRealBoolean;  ///< A string is not taken for it.
extern const Shape kInteger;
extern const Shape kKeptInteger;  ///< Stays where it is empty.
extern const Shape kNumber;
extern const Shape kBytes;
extern const Shape kDuration;
extern const Shape kFileMode;
extern const Shape kHostPath;         ///< Relative to the project folder, made absolute.
extern const Shape kStrings;          ///< A list, appended when merged.
extern const Shape kUniqueStrings;    ///< A list without repeats.
extern const Shape kRepeatedStrings;  ///< A list in which a repeat is an error.
extern const Shape kStringOrStrings;  ///< One or a list, without repeats.
extern const Shape kKeyValues;        ///< `[A=1, B]` or `{A: 1, B: }`.
extern const Shape kLabels;           ///< As kKeyValues, a missing value is "".
extern const Shape kOptions;          ///< A mapping to strings or numbers.
extern const Shape kCommand;
extern const Shape kExtraHosts;
extern const Shape kUlimits;
extern const Shape kFileReferences;  ///< `configs` of a service.
extern const Shape kSecretReferences;
extern const Shape kHook;
extern const Shape kHooks;
extern const Shape kDeviceRequests;   ///< `gpus`
extern const Shape kReservedDevices;  ///< `deploy.resources.reservations.devices`
extern const Shape kEnvironment;
extern const Shape kExtension;  ///< `x-davit`, of a service or at the top level.

extern const Shape kBuild;
extern const Shape kDeploy;
extern const Shape kDevelop;
extern const Shape kPorts;
extern const Shape kVolumes;
extern const Shape kBlkio;

extern const Shape kNetworkTable;
extern const Shape kVolumeTable;
extern const Shape kConfigTable;
extern const Shape kSecretTable;
extern const Shape kModelTable;

}  // namespace davit::compose
