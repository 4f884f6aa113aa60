"""Twilio Verify v2 as its SDKs speak it, answered by our own verifications: see docs/twilio-verify.md.

sids          Twilio's ids, which say ours another way
errors        Twilio's form of an error, and which of its codes is which of ours
door          HTTP Basic with an API key, the parameters of a request, lists
verifications start, check, fetch, cancel, approve
attempts      what was sent, and how much of it was typed
configured    services, rate limits and templates: our settings, to read

Nothing is kept for it: a service is a purpose of ``OTP_PURPOSES``, and all SIDs follow from ids and names.
Wire format: twilio/twilio-oai, spec/json/twilio_verify_v2.json.
"""
