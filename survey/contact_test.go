package survey_test

import (
	"testing"

	"github.com/odziv/odziv/survey"
)

// One person has one id, whichever part of the program asks, and other people have others.
func TestContactID(t *testing.T) {
	t.Parallel()
	ana := survey.ContactID(survey.Live, survey.Recipient{Email: "Ana@example.hr", Phone: "+385911234567"})
	if again := survey.ContactID(survey.Live, survey.Recipient{Email: "ana@example.hr"}); again != ana {
		t.Errorf("%s and %s are one person", ana, again)
	}
	for name, other := range map[string]string{
		"in test mode":      survey.ContactID(survey.Test, survey.Recipient{Email: "ana@example.hr"}),
		"by external id":    survey.ContactID(survey.Live, survey.Recipient{ExternalID: "ana@example.hr"}),
		"by another number": survey.ContactID(survey.Live, survey.Recipient{Phone: "+385911234567"}),
	} {
		if other == ana {
			t.Errorf("%s is taken for the same", name)
		}
	}
}
