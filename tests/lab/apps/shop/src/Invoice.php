<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

/** Amounts in cents. */
final readonly class Invoice
{
    public int $netCents;
    public int $vatCents;
    public int $totalCents;

    /** VAT is on the whole order, not on each piece, and a half cent is rounded up. */
    public function __construct(int $quantity, int $priceCents, int $vatPermille)
    {
        $this->netCents = $quantity * $priceCents;
        $this->vatCents = intdiv($this->netCents * $vatPermille + 500, 1000);
        $this->totalCents = $this->netCents + $this->vatCents;
    }
}
