-- The caps of a kind of scope, of the hour, the day, the fortnight. figures: otp.guard.settings.Figures
local function caps_of(kind, figures)
  return ({
    [NEW] = figures.new,
    [COUNTRY] = figures.country,
    [COARSE] = figures.coarse,
    [FINE] = figures.fine,
    [ADDRESS] = figures.address,
    [RULED] = { 1, 1, 1 }, -- blocked, and never sent to
  })[kind]
end
