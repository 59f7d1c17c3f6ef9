<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

function html(mixed $value): string
{
    return htmlspecialchars((string) $value);
}

function euros(int $cents): string
{
    return '€' . number_format($cents / 100, 2);
}

function percent(int $permille): string
{
    return $permille / 10 . '%';
}

function duration(int $milliseconds): string
{
    return match (true) {
        $milliseconds < 1_000 => "$milliseconds ms",
        $milliseconds < 60_000 => round($milliseconds / 1_000, 1) . ' s',
        default => ago(intdiv($milliseconds, 1_000)),
    };
}

function ago(int $seconds): string
{
    return match (true) {
        $seconds < 120 => "$seconds s",
        $seconds < 7_200 => intdiv($seconds, 60) . ' min',
        $seconds < 172_800 => intdiv($seconds, 3_600) . ' h',
        default => intdiv($seconds, 86_400) . ' days',
    };
}
