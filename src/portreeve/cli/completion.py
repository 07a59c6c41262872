"""`portreeve completion`: the script that makes a shell complete our commands, options and file names."""

from __future__ import annotations

import sys
from typing import Final

import click

from portreeve.cli.main import COMPLETE_VARIABLE, root
from portreeve.cli.terminal import terminal_options

EPILOG = """\b
Examples:
  source <(portreeve completion bash)
  portreeve completion zsh > "${fpath[1]}/_portreeve"
  portreeve completion fish > ~/.config/fish/completions/portreeve.fish
  portreeve completion powershell | Out-String | Invoke-Expression"""

# It speaks the protocol of fish: the words up to the cursor, the word under it, answers as type,value<tab>help.
POWERSHELL: Final = """\
Register-ArgumentCompleter -Native -CommandName portreeve -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString()
    $env:COMP_WORDS = $line.Substring(0, [Math]::Min($line.Length, $cursorPosition - $commandAst.Extent.StartOffset))
    $env:COMP_CWORD = $wordToComplete
    $env:_PORTREEVE_COMPLETE = 'fish_complete'
    try { $answers = @(& portreeve) }
    finally { Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:_PORTREEVE_COMPLETE -ErrorAction SilentlyContinue }
    foreach ($answer in $answers) {
        $kind, $rest = $answer -split ',', 2
        $value, $help = $rest -split "`t", 2
        if ($kind -ne 'plain') {
            [System.Management.Automation.CompletionCompleters]::CompleteFilename($value)
            continue
        }
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
@terminal_options
def command(shell: str) -> int:
    """Write the completion script of a shell."""
    if shell == "powershell":
        sys.stdout.write(POWERSHELL)
        return 0
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, "click has these three"
    sys.stdout.write(found(root, {}, "portreeve", COMPLETE_VARIABLE).source())
    return 0
