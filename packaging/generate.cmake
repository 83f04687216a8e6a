# Lets davit write its manual pages, completions and unit template into FOLDER.
function(davit_says file)
    execute_process(COMMAND ${DAVIT} ${ARGN} OUTPUT_FILE ${FOLDER}/${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER}/man1)
execute_process(COMMAND ${DAVIT} manual ${FOLDER}/man1 COMMAND_ERROR_IS_FATAL ANY)
davit_says(davit.bash completion bash)
davit_says(_davit completion zsh)
davit_says(davit.fish completion fish)
# Without a path: systemd looks it up in /usr/local/bin and /usr/bin.
davit_says(davit@.service boot template davit)
