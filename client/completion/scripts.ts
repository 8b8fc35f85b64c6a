/**
 * What each shell runs to complete `tapeflow`: it asks `complete-words`, with the words on its input, so that nothing
 * of what is typed is run or read by a shell again.
 */
export const completionScripts: Record<string, string> = {
  bash: `# Completions of tapeflow for bash: source <(tapeflow completion bash)
_tapeflow() {
  local kind lines
  COMPREPLY=()
  {
    read -r kind || return 0
    mapfile -t lines
  } < <(printf '%s\\0' "\${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" | "$1" complete-words --line 2>/dev/null)
  COMPREPLY=("\${lines[@]}")
  case $kind in
    # readline quotes what must be.
    names) compopt -o filenames ;;
    # Without a name that fits, bash completes files or folders.
    files) [[ \${#lines[@]} -gt 0 ]] || compopt -o default ;;
    folders) [[ \${#lines[@]} -gt 0 ]] || compopt -o dirnames ;;
  esac
}
complete -F _tapeflow tapeflow
`,
  zsh: `#compdef tapeflow
# Completions of tapeflow for zsh: source <(tapeflow completion zsh), or a file _tapeflow in $fpath.
_tapeflow() {
  local -a lines values shown
  local line
  lines=("\${(@f)$(printf '%s\\0' "\${(@Q)words[2,CURRENT]}" | "\${(Q)words[1]}" complete-words 2>/dev/null)}")
  for line in "\${(@)lines[2,-1]}"; do
    values+=("\${line%%$'\\t'*}")
    if [[ $line == *$'\\t'* ]]; then
      shown+=("\${line%%$'\\t'*}  -- \${line#*$'\\t'}")
    else
      shown+=("$line")
    fi
  done
  (( $#values )) && compadd -l -d shown -a values
  case $lines[1] in
    files) _files ;;
    folders) _files -/ ;;
  esac
}
# Sourced, or autoloaded by compinit.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _tapeflow "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _tapeflow tapeflow
fi
`,
  fish: `# Completions of tapeflow for fish: tapeflow completion fish | source
function __tapeflow_complete
    set -l given (commandline -opc)
    set -l begun (commandline -ct)
    set -l plain (string unescape -- "$begun"); and set begun $plain
    set -l lines (printf '%s\\0' $given[2..] "$begun" | command $given[1] complete-words 2>/dev/null)
    test (count $lines) -gt 1; and printf '%s\\n' $lines[2..]
    switch "$lines[1]"
        case files
            __fish_complete_path "$begun"
        case folders
            __fish_complete_directories "$begun" ''
    end
end
complete -c tapeflow -f -a '(__tapeflow_complete)'
`,
};
