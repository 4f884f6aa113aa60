"""System checks of ``otp``. Each message names the setting, the fault and the fix; see ``sms.checks``."""
