"""An API that is compatible with Twilio Verify v2 and its SDKs: see docs/twilio-verify.md.

    sids            Twilio's ids, derived from ours
    errors          errors in Twilio's format, and the mapping of their codes
    door            HTTP Basic with an API key, parameters, lists
    verifications   start, check, fetch, cancel, approve
    attempts        which messages were sent, and whether their codes were typed
    configured      services, rate limits and templates, read from our settings

It stores nothing of its own. A service is a purpose of ``OTP_PURPOSES``, and every SID follows from an id or
a name. Wire format: twilio/twilio-oai, spec/json/twilio_verify_v2.json.
"""
