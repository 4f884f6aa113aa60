-- Return the caps of a kind of scope for the hour, the day and the fortnight. figures: otp.guard.settings.Figures
local function caps_of(kind, figures)
  return ({
    [NEW] = figures.new,
    [COUNTRY] = figures.country,
    [COARSE] = figures.coarse,
    [FINE] = figures.fine,
    [ADDRESS] = figures.address,
    [RULED] = { 1, 1, 1 }, -- blocked before anything was sent there
  })[kind]
end
