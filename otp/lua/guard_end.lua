return {
  refuses = guard_refuses, enforces = guard_enforces, note = guard_note,
  sent = guard_sent, verified = guard_verified, unsent = guard_unsent,
}
end
