package survey

import "crypto/sha256"

// ContactID names a person the same each time: by the surest of the ids that the caller gave.
func ContactID(mode Mode, to Recipient) string {
	kind, value := "viber_id", to.ViberID
	switch {
	case to.ExternalID != "":
		kind, value = "external_id", to.ExternalID
	case to.Email != "":
		kind, value = "email", Canonical(Email, to.Email)
	case to.Phone != "":
		kind, value = "phone", to.Phone
	}
	room := make([]byte, 0, 256)
	room = append(room, mode...)
	room = append(room, '|')
	room = append(room, kind...)
	room = append(room, '|')
	room = append(room, value...)
	sum := sha256.Sum256(room)
	return IDOf(ContactPrefix, [16]byte(sum[:16]))
}
