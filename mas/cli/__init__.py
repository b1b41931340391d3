"""The command line: what `mas` and `python -m mas` do.

    app        what can be typed; a group of commands each in agents, audit, circuits, dlp, dlq, policy,
               and what they do in identity, trail, breakers, letters, rules
    frame      what stands around each command; options, what several take
    init       a small system to begin with, from templates
    run        a system until it is told to stop; signals says what it is told
    check      what a configuration says, without starting anything; report prints it
    doctor     what is wrong here, and how to mend it
    ps         what runs, as trees
    steer      what runs, from elsewhere; deployment is how both reach it
    talk       one message from the shell: exchange does it, as the speaker, with a payload; told_to_stop
               lets it take its leave
    demo       three agents, a refusal and a crash, in a few seconds
    audit      the trail, read and proved; findings is how it is told, outfile where an export goes
    complaint  what went wrong, in one message and one exit code (exits)
    tail       the traffic, a line a message (traffic), with a decision in its colour (outcome)
    logs       one event, one line; printable is what moves no cursor

Data goes to stdout, everything else to stderr. What a command needs is imported when it runs, so that
`mas --help` answers at once.
"""

from mas.cli.app import main

__all__ = ["main"]
