package store

import (
	"strconv"
	"strings"

	"github.com/odziv/odziv/survey"
)

// The history of a thread is text, a line for each thing that happened, the latest first: a row more for each would cost
// more than all else that is written of a send.
//
//	I <time> <send> <channel> <survey> <touchpoint>   an invitation or reminder was claimed
//	X <time> <send>                                   the one claimed at that time reached nobody
//	A <time> <send> <channel> <survey> <touchpoint>   it was answered
//
// The first 12,000 letters are kept: more than 50 invitations of long names. Times are Unix microseconds; what is foreign is escaped, so that it holds neither spaces nor line ends.

const (
	wasInvited = 'I'
	wasMissed  = 'X'
	wasAnswer  = 'A'
)

// invitedLine tells of an invitation of m; answeredLine of its answer; missedLine takes an invitation back.
func invitedLine(at int64, m *survey.Send, c survey.Channel) string {
	return string(appendLine(nil, wasInvited, at, m, c))
}

func answeredLine(at int64, m *survey.Send, c survey.Channel) string {
	return string(appendLine(nil, wasAnswer, at, m, c))
}

func missedLine(at int64, m *survey.Send) string {
	b := append(make([]byte, 0, 56), wasMissed, ' ')
	b = append(strconv.AppendInt(b, at, 10), ' ')
	return string(append(appendEscaped(b, m.ID), '\n'))
}

func appendLine(b []byte, what byte, at int64, m *survey.Send, c survey.Channel) []byte {
	asked, _ := m.Asks()
	b = append(b, what, ' ')
	b = append(strconv.AppendInt(b, at, 10), ' ')
	b = append(appendEscaped(b, m.ID), ' ')
	b = append(appendEscaped(b, string(c)), ' ')
	b = append(appendEscaped(b, asked), ' ')
	return append(appendEscaped(b, m.Transaction.Touchpoint), '\n')
}

func appendEscaped(b []byte, value string) []byte {
	const hex = "0123456789abcdef"
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c == '%' || c == 0x7f {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

func unescaped(value string) string {
	if !strings.Contains(value, "%") {
		return strings.Clone(value) // the whole history need not be kept for it
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) {
			if n, err := strconv.ParseUint(value[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// readHistory adds what a history tells to past, by send; but of the send itself nothing. A line that was cut off at
// the end is passed over.
func readHistory(text, self string, past map[string]survey.Past) {
	type claim struct {
		send string
		at   int64
	}
	var missed map[claim]bool // by the latest word
	for {
		line, rest, whole := strings.Cut(text, "\n")
		if !whole {
			return
		}
		text = rest
		fields := strings.Split(line, " ")
		if len(fields) < 3 || len(fields[0]) != 1 {
			continue
		}
		at, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || fields[2] == self {
			continue
		}
		what, when := fields[0][0], claim{fields[2], at}
		if what != wasAnswer {
			if _, said := missed[when]; said {
				continue
			}
			if what == wasMissed {
				if missed == nil {
					missed = map[claim]bool{}
				}
				missed[when] = true
				continue
			}
		}
		if len(fields) == 6 {
			remember(past, what, at, fields[2:])
		}
	}
}

// remember adds one line; fields are send, channel, survey and touchpoint.
func remember(past map[string]survey.Past, what byte, at int64, fields []string) {
	id := unescaped(fields[0])
	p, known := past[id]
	when := moment(at)
	if !known || what == wasInvited && when.After(p.InvitedAt) {
		p.SendID, p.Channel, p.Survey, p.Touchpoint = id, survey.Channel(unescaped(fields[1])), unescaped(fields[2]), unescaped(fields[3])
	}
	switch {
	case what == wasInvited && when.After(p.InvitedAt):
		p.InvitedAt = when
	case what == wasAnswer && when.After(p.AnsweredAt):
		p.AnsweredAt = when
	}
	past[id] = p
}
